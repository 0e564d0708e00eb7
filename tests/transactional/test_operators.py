"""The operators' commands say in the same words, and with the same status, that they could not look."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lakefront.ids import new_id
from lakefront.runtime import ports

COMMANDS = {
    "importers": ["online-retail", "FILE"],
    "inventory": ["check"],
    "orders": ["show", str(new_id())],
    "payments": ["check"],
    "reviews": ["check"],
    "tariffs": ["taxes", "FILE"],
}


@pytest.fixture(params=COMMANDS)
def invoke(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Result]:
    """Calls the command of one domain."""
    (tmp_path / "file.csv").write_text("country\n")
    app = importlib.import_module(f"transactional.{request.param}.command").app
    words = [str(tmp_path / "file.csv") if word == "FILE" else word for word in COMMANDS[request.param]]
    return lambda: CliRunner().invoke(app, words)


def test_without_a_database_a_command_says_how_to_get_one(invoke, settings_with) -> None:
    with settings_with(LAKEFRONT_DATABASE_URL=""):
        said = invoke()
    assert said.exit_code == 2
    assert "No database: run `lakefront up`, or set LAKEFRONT_DATABASE_URL" in " ".join(said.output.split())


def test_a_database_that_is_away_is_named_at_once(invoke, settings_with) -> None:
    with settings_with(LAKEFRONT_DATABASE_URL=f"postgresql://nobody@127.0.0.1:{ports.any_free()}/nowhere"):
        said = invoke()
    assert said.exit_code == 2
    assert "The database cannot be reached" in said.output
