"""Who tries the shop out reads its letters by a command, and is told where there are none to read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import typer
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from lakefront.ids import new_id
from transactional.accounts import letters_command
from transactional.platform.messaging import Message, messenger_of
from transactional.platform.operators import COULD_NOT_LOOK

Create = Callable[..., Awaitable[Any]]


async def letters(*arguments: str) -> Result:
    application = typer.Typer()
    application.command()(letters_command.letters)
    return await asyncio.to_thread(CliRunner().invoke, application, list(arguments))


async def test_the_token_of_a_letter_is_read_and_used(
    app: FastAPI, client: httpx.AsyncClient, create_user: Create
) -> None:
    user = await create_user()
    await client.post("/api/v1/auth/password/forgotten", json={"email": user.email})
    shown = await letters("--to", user.email.upper(), "--limit", "1")
    assert shown.exit_code == 0, shown.output
    assert f"UTC  to {user.email}\nSet a new password\n" in shown.output
    assert "Is this your address?" not in shown.output, "the letter before it is beyond the limit"
    body = {"token": shown.output.split()[-1], "new_password": "a quite different phrase"}
    assert (await client.post("/api/v1/auth/password/reset", json=body)).status_code == 204


async def test_the_newest_of_all_stands_at_the_end_as_it_was_written(app: FastAPI, create_user: Create) -> None:
    user = await create_user()
    for body in ("the first of two", "the second, in [bold]"):
        await messenger_of(app.state.core).send(Message(user.user_id, "sms", "+442079460123", body))
    assert (await letters("--limit", "2")).output.split("\n")[1::3] == ["the first of two", "the second, in [bold]"]


async def test_an_address_without_letters_is_told(app: FastAPI) -> None:
    nobody = f"{new_id().hex}@example.com"
    assert (await letters("--to", nobody)).output == f"No letter or text message to {nobody} yet.\n"


async def test_where_a_provider_sends_there_is_nothing_to_read(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    class Provider:
        async def send(self, message: Message) -> None:
            raise AssertionError("looking sends nothing")

    monkeypatch.setattr(letters_command, "messenger_on", lambda db: Provider())
    refused = await letters()
    assert (refused.exit_code, refused.output.partition(":")[0]) == (COULD_NOT_LOOK, "Nothing is kept here")
