"""What ``lakefront status`` shows."""

from __future__ import annotations

import io

from rich.console import Console

from lakefront.cli.machine import _states_table
from lakefront.runtime import processes
from lakefront.runtime.supervisor import State


def shown(states: list[State], crashes: dict[str, int]) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(_states_table(states, crashes))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_80_columns_are_enough_for_names_and_crashes() -> None:
    states = [State(each.name, "RUNNING", 0, 0.0, 0.0, "") for each in processes.procfile()]
    text = shown(states, {"relay": 3})
    assert all(f" {state.name} " in text for state in states)
    assert "crashes" in text and " 3 " in text
    assert "crashes" not in shown(states, {})


def test_what_does_not_run_says_why() -> None:
    states = [State("api", "FATAL", 0, 0.0, 0.0, "Exited too quickly"), State("relay", "RUNNING", 0, 0.0, 0.0, "pid 7")]
    text = shown(states, {})
    assert "Exited too quickly" in text
    assert "pid 7" not in text
