"""What the tests of gift cards and store credit have in common."""

from __future__ import annotations

import dataclasses

import pytest
import pytest_asyncio

from lakefront.ids import new_id
from transactional.platform.authentication import Caller
from transactional.platform.database import Database
from transactional.platform.errors import Problem


@pytest_asyncio.fixture
async def wide_core(shop, database_url):
    """A core with as many connections as there are racers."""
    db = await Database.open(database_url, 16)
    yield dataclasses.replace(shop.core, db=db)
    await db.close()


@pytest.fixture
def new_caller():
    """``new_caller()``: another guest each time."""

    def make() -> Caller:
        return Caller(None, None, "guest", f"guest-{new_id()}", None, "127.0.0.1", False)

    return make


@pytest.fixture
def outcome_of():
    """``await outcome_of(check_out(…))``: the order's status, or the refusal's code."""

    async def outcome(checkout) -> str:
        try:
            answer = await checkout
        except Problem as problem:
            return problem.code
        return str(answer.body.get("status") if answer.status == 201 else answer.body["code"])

    return outcome
