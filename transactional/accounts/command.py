"""``lakefront accounts``: rotate the keys that accounts depend on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from lakefront.settings import settings
from transactional.accounts import encryption_rotation
from transactional.platform import signing_keys
from transactional.platform.audit import note
from transactional.platform.database import Database
from transactional.platform.encryption import cipher, field_keys_file, wrapping_by
from transactional.platform.key_stores import SETTING, FileKeys, InTheClear, KeyStoreError
from transactional.platform.operators import COULD_NOT_LOOK, with_database

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
    _noted("token_keys_rotated", key.kid, at_once=at_once)


@app.command("rotate-encryption")
def rotate_encryption() -> None:
    """Add a key for personal fields and write all of them anew under it, while the shop serves."""
    with _explained():
        version, renewed = with_database(console, lambda db: encryption_rotation.rotate(db, cipher()))
    console.print(
        f"Personal fields are under key {version} now; {renewed} were written anew. Keep the old keys for backups."
    )
    _noted("field_keys_rotated", version, renewed=renewed)


@app.command("wrap-field-keys")
def wrap_field_keys(
    from_key: Annotated[str, typer.Option("--from", help="The KMS key that wraps them so far, to change it.")] = "",
) -> None:
    """Wrap the keys of personal fields by the KMS key that LAKEFRONT_FIELD_KEYS_KMS names. Restart what runs without it."""
    path, kms_key = field_keys_file(), _kms_key()
    with _explained():
        moved = FileKeys(path, wrapping_by(from_key)).move_to(wrapping_by(kms_key) or InTheClear())
    console.print(f"{moved} keys in {path} are wrapped by {kms_key}.", soft_wrap=True)
    _noted("field_keys_wrapped", kms_key, keys=moved)


@app.command("unwrap-field-keys")
def unwrap_field_keys() -> None:
    """Write the keys of personal fields as they are. Restart without LAKEFRONT_FIELD_KEYS_KMS afterwards."""
    path, kms_key = field_keys_file(), _kms_key()
    with _explained():
        moved = FileKeys(path, wrapping_by(kms_key)).move_to(InTheClear())
    console.print(f"{moved} keys stand in {path} in the clear: guard it, and unset {SETTING}.", soft_wrap=True)
    _noted("field_keys_unwrapped", kms_key, keys=moved)


def _noted(action: str, subject: object, **details: Any) -> None:
    """In the audit log, once it is done: keys stand in files, and are rotated while the database is away too."""

    async def write(db: Database) -> None:
        async with db.connection() as connection:
            await note(connection, "operator", action, subject, **details)

    try:
        with_database(console, write)
    except typer.Exit:
        console.print("[yellow]The keys are changed, but the audit log does not say so.[/yellow]", soft_wrap=True)


def _kms_key() -> str:
    if not settings().field_keys_kms:
        console.print(f"[red]No KMS key:[/red] set {SETTING}.", soft_wrap=True)
        raise typer.Exit(COULD_NOT_LOOK)
    return settings().field_keys_kms


@contextmanager
def _explained() -> Iterator[None]:
    """Keys that cannot be had are told in words."""
    try:
        yield
    except KeyStoreError as error:
        console.print(f"[red]The keys cannot be had:[/red] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(COULD_NOT_LOOK) from error
