"""``lakefront models``: listing, showing, promoting and rolling back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakefront.artefacts import ModelStore
from lakefront.settings import settings
from models.command import app

AS_OF = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    monkeypatch.setenv("LAKEFRONT_MODELS_URL", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    settings.cache_clear()
    yield ModelStore(tmp_path)
    settings.cache_clear()


def _save(store: ModelStore, auc: float) -> str:
    gate = {"passed": True, "reasons": ["auc beats the baseline"]}
    return store.save("fraud", lambda _: None, as_of=AS_OF, metrics={"auc": auc}, gate=gate).version


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_nothing_yet_says_what_to_do(store: ModelStore) -> None:
    assert "no models yet" in _run("list")


def test_promote_list_show_and_roll_back(store: ModelStore) -> None:
    first, second = _save(store, 0.91), _save(store, 0.95)
    _run("promote", "fraud", first)
    assert f"fraud {second} is in force" in _run("promote", "fraud", second)
    listed = [line for line in _run("list", "fraud").splitlines() if "auc" in line]
    assert [first in line for line in listed] == [False, True]
    assert ["yes" in line for line in listed] == [True, False]
    shown = _run("show", "fraud")
    assert second in shown and "0.9500" in shown and "beats the baseline" in shown
    assert f"fraud {first} is in force again" in _run("roll-back", "fraud")
    assert store.champion("fraud") == first


def test_a_list_of_80_columns_shows_whole_versions_and_figures(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    metrics = {"recall_at_20": 0.123, "popularity_recall_at_20": 0.045}
    version = store.save("recommendation", lambda _: None, as_of=AS_OF, metrics=metrics).version
    listed = _run("list")
    assert version in listed
    assert "popularity recall at 20" in " ".join(listed.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("promote", "fraud", "never"), "has no version never"),
        (("roll-back", "fraud"), "no earlier champion"),
        (("show", "fraud"), "no version of fraud is in force"),
        (("list", "weather"), "unknown model"),
    ],
)
def test_mistakes_are_named(store: ModelStore, arguments: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code != 0
    assert says in " ".join(result.output.replace("│", " ").split())
