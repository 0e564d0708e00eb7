"""The line that shows a running step keeps its parts, however long the text beside them."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from lakefront.demo import rounds
from lakefront.demo.stage import progress_on


@pytest.mark.parametrize("width", [80, 100])
def test_a_long_detail_takes_neither_the_name_nor_the_clock(width: int) -> None:
    shown = io.StringIO()
    console = Console(file=shown, width=width, force_terminal=True, color_system=None)
    names = [value for name, value in vars(rounds).items() if name.isupper() and name not in ("LOGS", "DOCTOR")]
    longest = max(names, key=len)
    with progress_on(console) as progress:
        progress.add_task(longest, total=None, detail="a line of an engine that is much too long " * 5)
        time.sleep(0.2)
    line = next(line for line in shown.getvalue().splitlines() if "0:00:00" in line)
    assert longest in line and "…" in line
