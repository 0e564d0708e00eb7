"""``lakefront accounts``: rotate the keys that accounts depend on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from transactional.accounts import encryption_rotation
from transactional.platform import signing_keys
from transactional.platform.encryption import cipher
from transactional.platform.operators import with_database

app = typer.Typer(no_args_is_help=True, help="The keys of accounts.")
console = Console()


@app.callback()
def choose() -> None:
    """The keys of accounts."""


@app.command("rotate-keys")
def rotate_keys(
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The old keys are not safe any more: end them, and their tokens, now.")
    ] = False,
) -> None:
    """Add a key that signs access tokens. The old ones verify until their last token has ended; no restart is needed."""
    path = signing_keys.ring_file()
    key = signing_keys.rotate(path, at_once=at_once)
    signs_from = datetime.fromtimestamp(key.signs_from, UTC)
    console.print(
        f"Key {key.kid} signs from {signs_from:%Y-%m-%d %H:%M:%S} UTC; the keys stand in {path}.", soft_wrap=True
    )


@app.command("rotate-encryption")
def rotate_encryption() -> None:
    """Add a key for personal fields and write all of them anew under it, while the shop serves."""
    version, renewed = with_database(console, lambda db: encryption_rotation.rotate(db, cipher()))
    console.print(
        f"Personal fields are under key {version} now; {renewed} were written anew. Keep the old keys for backups."
    )
