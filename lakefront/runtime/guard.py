"""Sees to it that a killed supervisor leaves nothing behind: ``python -m lakefront.runtime.guard``.

When the supervisor is killed, the kernel asks all its processes to stop (``orphans.die_with_parent``). That is a request, made
once: Dagster takes half a minute over it, or the rest of a run, and a library may swallow it while it is being imported. The
guard waits until they are gone and ends what stays. It imports next to nothing before it is needed, to stay small.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

PATIENCE_SECONDS = 20.0
"""How long processes may take to stop by themselves; as long as the supervisor, had it lived, would have given them."""
SECONDS_BETWEEN = 2.0


def watch(home: Path, supervisor: int, patience: float = PATIENCE_SECONDS) -> None:
    """Return when we are asked to stop; when the supervisor died, do so after ending what it left behind."""
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    while os.getppid() == supervisor and not asked.wait(SECONDS_BETWEEN):
        pass
    # The request comes from the kernel when the supervisor has died, and from the supervisor when it wants us to stop.
    if os.getppid() != supervisor:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whoever starts everything anew may end us
        _sweep(home, patience)


def _sweep(home: Path, patience: float) -> None:
    from lakefront.runtime import machine

    print(f"guard: the supervisor died; what still runs after {patience:g} s is ended", flush=True)
    machine.sweep(home, patience, lambda text: print(f"guard: {text}", flush=True))


if __name__ == "__main__":
    watch(Path(os.environ["LAKEFRONT_HOME"]), os.getppid())
