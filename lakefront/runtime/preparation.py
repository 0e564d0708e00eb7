"""What stands between running servers and running processes: the schema, the first merchandiser, Dagster's folder, features.

The packages that do it are entered by name, lazily: the kernel imports none of them.
"""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lakefront.runtime import postgres, processes
from lakefront.runtime.processes import CHECKOUT
from lakefront.settings import Settings

Say = Callable[[str], None]


@dataclass(frozen=True)
class Background:
    """A preparation that runs in a process of its own while the shop already starts."""

    what: str
    process: subprocess.Popen[bytes]
    log: Path
    stamp: Path
    fingerprint: str


def prepare(chosen: Settings, say: Say) -> list[Background]:
    """Bring the database to the newest schema, and start what takes longer where its inputs changed.

    Importing Feast or Dagster takes seconds, so their registries are only touched when definitions, version or database
    changed.
    """
    if postgres.ensure_database(chosen.database_url):
        say("the database is new")
    _entry("transactional.platform.migrate:upgrade")(chosen.database_url)
    _dagster_home(chosen)
    servers = f"{chosen.database_url} {chosen.store_url} {chosen.lake_uri}"
    begun = [
        _begin(chosen, "features", "the feature registry", _fingerprint(servers, "features/*.py")),
        _begin(chosen, "pipelines", "Dagster's storage", _fingerprint(str(chosen.home), "dbt/dbt_project.yml")),
    ]
    return [background for background in begun if background is not None]


def finish(backgrounds: list[Background], say: Say) -> None:
    """Wait for what ``prepare`` started. Raises RuntimeError when one failed."""
    for background in backgrounds:
        status = background.process.wait(timeout=300)
        if status:
            lines = background.log.read_text(errors="replace").splitlines()[-20:]
            raise RuntimeError(f"{background.what} could not be updated:\n" + "\n".join(lines))
        background.stamp.write_text(background.fingerprint)
        say(f"{background.what} is up to date")


def _begin(chosen: Settings, package: str, what: str, fingerprint: str) -> Background | None:
    """Start ``python -m PACKAGE apply``, unless the last one that went well had the same fingerprint."""
    stamp = chosen.home / "run" / f"{package}.applied"
    if stamp.exists() and stamp.read_text() == fingerprint:
        return None
    path = processes.log_file(chosen.home, f"{package}-apply")
    log: IO[bytes] = path.open("wb")
    with log:
        process = subprocess.Popen(
            ["nice", "-n", "5", sys.executable, "-m", package, "apply"],
            cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=processes.environment(chosen),
        )  # fmt: skip
    return Background(what, process, path, stamp, fingerprint)


def _fingerprint(target: str, definitions: str) -> str:
    """Of the place that is prepared, the files of the checkout that say how, and the versions of all packages."""
    digest = hashlib.sha256(target.encode())
    for path in [*sorted(CHECKOUT.glob(definitions)), CHECKOUT / "requirements.lock"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _dagster_home(chosen: Settings) -> None:
    """Dagster wants its folder, and reads its instance's settings there.

    Webserver and daemon ask one code server for the definitions: with a module in their workspace each would import them
    in a process of its own, and the daemon anew every minute.
    """
    folder = chosen.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    server = f"{{host: 127.0.0.1, port: {chosen.dagster_code_port}, location_name: lakefront}}"
    workspace = f"load_from:\n  - grpc_server: {server}\n"
    texts = {"dagster.yaml": (Path(__file__).parent / "dagster.yaml").read_text(), "workspace.yaml": workspace}
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _entry(name: str) -> Callable[..., object]:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
