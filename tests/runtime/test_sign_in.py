"""Who signs in at the merchandisers' page, and where the password stands: `up` and `status` tell, and never the password."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from lakefront.cli.machine import addresses
from lakefront.secrets import secrets
from lakefront.settings import settings


def told() -> str:
    shown = io.StringIO()
    Console(file=shown, width=200).print(addresses(settings()))
    return shown.getvalue()


def test_the_addresses_say_who_signs_in_and_where_the_password_stands(lakefront_home: Path) -> None:
    text = told()
    assert "merchandiser@lakefront.example" in text
    assert f"merchandiser_password in {lakefront_home / 'secrets.json'}" in text
    assert secrets().merchandiser_password not in text


def test_a_password_from_the_environment_is_told_as_such(lakefront_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEFRONT_SECRET_MERCHANDISER_PASSWORD", "handed in by somebody")
    text = told()
    assert "the one in LAKEFRONT_SECRET_MERCHANDISER_PASSWORD" in text
    assert "handed in" not in text
