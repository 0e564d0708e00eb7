"""``lakefront letters``: what the sandbox took for sending, for who tries the shop out and waits for a token."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from transactional.platform.database import Database
from transactional.platform.messaging import Kept, SandboxMessenger, messenger_on
from transactional.platform.operators import COULD_NOT_LOOK, with_database

console = Console()


def letters(
    to: Annotated[str, typer.Option(help="Only those to this e-mail address or telephone number.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many of the last ones.")] = 10,
) -> None:
    """Show the last letters and text messages, the newest at the end. Nothing of them was really sent."""

    async def look(db: Database) -> list[Kept] | None:
        messenger = messenger_on(db)
        return await messenger.last(to or None, limit) if isinstance(messenger, SandboxMessenger) else None

    found = with_database(console, look)
    if found is None:
        console.print("[red]Nothing is kept here:[/red] letters are sent to people by a provider.", soft_wrap=True)
        raise typer.Exit(COULD_NOT_LOOK)
    if not found:
        console.print(f"No letter or text message{' to ' + to if to else ''} yet.", markup=False, soft_wrap=True)
    for message in found:
        head = f"{message.sent_at:%Y-%m-%d %H:%M:%S} UTC  to {message.recipient}"
        text = "\n".join(part for part in (head, message.subject, message.body) if part)
        console.print(text + "\n", markup=False, highlight=False, soft_wrap=True)
