"""The Procfile, and what becomes of its lines."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from lakefront.runtime import choice, processes


def test_every_process_of_the_procfile_can_be_started() -> None:
    for process in processes.procfile():
        arguments = process.arguments(processes.environment(choice.Wishes()))
        assert not [part for part in arguments if "$" in part], f"{process.name} has a variable that nobody fills in"
        if arguments[:2] == [sys.executable, "-m"]:
            module = Path(*arguments[2].split("."))
            candidates = [module.with_suffix(".py"), module / "__main__.py"]
            assert any((processes.CHECKOUT / path).exists() for path in candidates), f"{process.name}: no such module"


def test_comments_and_empty_lines_are_no_processes(tmp_path: Path) -> None:
    path = tmp_path / "Procfile"
    path.write_text("# a comment: with a colon\n\nweb: python -m http.server --bind 127.0.0.1\n")
    assert processes.procfile(path) == [processes.Process("web", "python -m http.server --bind 127.0.0.1")]


def test_servers_that_settings_place_elsewhere_are_left_out() -> None:
    wishes = choice.Wishes(database_url="postgresql://elsewhere/x", bus_url="", store_url="redis://elsewhere/0")
    names = {process.name for process in processes.wanted(wishes)}
    assert {"postgres", "store"}.isdisjoint(names)
    assert {"bus", "api", "relay"} <= names


def test_postgres_stops_by_sigint_since_sigterm_waits_for_clients() -> None:
    by_name = {process.name: process for process in processes.procfile()}
    assert by_name["postgres"].stop_signal == signal.SIGINT
    assert by_name["api"].stop_signal == signal.SIGTERM
