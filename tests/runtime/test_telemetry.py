"""What processes say is JSON with the ids that join it."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import logging
from lakefront import telemetry
telemetry.configure("relay")
with telemetry.correlated("c-1"), telemetry.tracer().start_as_current_span("publish"):
    telemetry.logger("relay").info("published", packs=3)
    logging.getLogger("some.library").warning("be %s", "careful")
telemetry.logger("relay").debug("too small to say")
try:
    raise ValueError("bad")
except ValueError:
    telemetry.logger("relay").exception("failed")
"""


def test_logs_of_ours_and_of_libraries_are_json_with_process_correlation_and_span() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    ours, library, failed = (json.loads(line) for line in done.stdout.splitlines())
    assert (ours["event"], ours["packs"], ours["level"], ours["process"]) == ("published", 3, "info", "relay")
    assert ours["correlation_id"] == library["correlation_id"] == "c-1"
    assert len(ours["trace_id"]) == 32
    assert ours["trace_id"] == library["trace_id"], "without a collector too, a span's ids join the lines"
    assert (library["event"], library["logger"], library["process"]) == ("be careful", "some.library", "relay")
    assert "ValueError: bad" in failed["exception"]
    assert "correlation_id" not in failed
