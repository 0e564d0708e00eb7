"""Bring a database to the newest schema: Alembic, with plain SQL files beside its revisions."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"


def upgrade(database_url: str, revision: str = "heads") -> None:
    """Apply what is missing. Safe when several processes try at once, and without effect when nothing is missing."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["database_url"] = database_url
    command.upgrade(config, revision)
