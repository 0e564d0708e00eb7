"""The search writer as a process that is killed, and the command that builds the index anew."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable

from typer.testing import CliRunner

from transactional.search.command import app as command


def start(**variables: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "transactional.search.process"],
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
    )


async def until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.05)


async def test_a_killed_writer_loses_nothing_and_repeats_nothing(house, create_product) -> None:
    def titles() -> list[str]:
        return [] if house.folder.current() is None else [card["title"] for card in house.found("kind", "product")]

    first = start()
    try:
        await create_product(title="One")
        await house.relay()
        await until(lambda: titles() == ["One"])
        await create_product(title="Two")
        await house.relay()
    finally:
        first.kill()
        first.wait()
    await create_product(title="Three")
    await house.relay()
    second = start()
    try:
        await until(lambda: titles() == ["One", "Three", "Two"])
        second.terminate()
        assert second.wait(15) == 0
    finally:
        second.kill()
        second.wait()
    assert titles() == ["One", "Three", "Two"]


async def test_the_command_builds_the_index_out_of_the_database(house, create_product) -> None:
    await create_product(title="Kept in PostgreSQL")
    assert house.folder.current() is None
    result = await asyncio.to_thread(CliRunner().invoke, command, ["rebuild"])
    assert result.exit_code == 0, result.output
    name = house.folder.current()
    assert name is not None
    assert f"Built {name} with 1 products" in result.output
    assert [card["title"] for card in house.found("kind", "product")] == ["Kept in PostgreSQL"]
    again = await asyncio.to_thread(CliRunner().invoke, command, ["rebuild"])
    assert again.exit_code == 0
    assert house.folder.current() != name


async def test_the_command_says_when_there_is_no_database(house, settings_with) -> None:
    with settings_with(LAKEFRONT_DATABASE_URL="postgresql://127.0.0.1:1/nothing"):
        result = await asyncio.to_thread(CliRunner().invoke, command, ["rebuild"])
    assert result.exit_code == 2
    assert "The database cannot be reached" in result.output
