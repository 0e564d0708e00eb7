"""Who may call what: each operation of the OpenAPI document, by each role, as the table access.toml decides.

The table is written by people and not read off the code, so that an operation that was added without a verdict, or that
opens to somebody else than was decided, fails here.
"""

from __future__ import annotations

import itertools
import re
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from lakefront.ids import new_id
from lakefront.secrets import secrets
from transactional.platform.permissions import ROLES, Permission, may
from transactional.platform.tokens import Identity, sign

TABLE: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("access.toml").read_text())
VERDICTS = {operation: verdict for verdict, operations in TABLE.items() for operation in operations}
REFUSALS = ("not_authenticated", "forbidden")
_peers = itertools.count(new_id().int % 10_000_000)


def operations(app: FastAPI) -> list[str]:
    """Every operation of the document: "GET /api/v1/products"."""
    return [f"{method.upper()} {path}" for path, item in app.openapi()["paths"].items() for method in item]


def parameters() -> Iterator[str]:
    """Values for the places of a path: identifiers of nothing."""
    return (str(new_id()) for _ in itertools.count())


async def call(app: FastAPI, operation: str, headers: dict[str, str]) -> httpx.Response:
    """Call an operation with an empty body and ids of nothing, from an address of its own that has no limit to share."""
    method, _, path = operation.partition(" ")
    values = parameters()
    number = next(_peers)
    peer = (f"10.{(number >> 16) % 256}.{(number >> 8) % 256}.{number % 256}", 40_000)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app, client=peer), base_url="http://shop") as client:
        body = {"json": {}} if method in ("POST", "PUT", "PATCH") else {}
        answer = await client.request(method, re.sub(r"\{\w+\}", lambda _: next(values), path), headers=headers, **body)
    assert answer.status_code < 500, (operation, answer.text)
    return answer


def refused(answer: httpx.Response) -> bool:
    """Whether the caller was turned away for who they are, and not for what they sent."""
    if answer.status_code not in (401, 403):
        return False
    return answer.json()["code"] in REFUSALS


def token(role: str) -> dict[str, str]:
    """Headers of an account with a role."""
    identity = Identity(
        new_id(),
        new_id(),
        role,
        "example.com",
        "US",
        datetime.now(UTC),
        is_simulated=False,
        expires_at=time.time() + 60,
    )
    return {"Authorization": f"Bearer {sign(identity)}"}


def test_every_operation_has_exactly_one_verdict(app: FastAPI) -> None:
    found = set(operations(app))
    doubled = [operation for operation, count in Counter(itertools.chain(*TABLE.values())).items() if count > 1]
    assert doubled == []
    assert {"without a verdict": found - VERDICTS.keys(), "gone": VERDICTS.keys() - found} == {
        "without a verdict": set(),
        "gone": set(),
    }


def test_every_verdict_is_known() -> None:
    assert TABLE.keys() <= {"anyone", "member", "own_processes", *Permission}


async def test_a_guest_is_let_in_where_anyone_is(app: FastAPI) -> None:
    let_in = {
        one for one in operations(app) if not refused(await call(app, one, {"X-Session-Id": f"visit-{new_id()}"}))
    }
    assert let_in == set(TABLE["anyone"])


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_is_let_in_where_the_table_says(app: FastAPI, role: str) -> None:
    allowed = {
        operation
        for verdict, named in TABLE.items()
        for operation in named
        if verdict in ("anyone", "member") or (verdict != "own_processes" and may(role, Permission(verdict)))
    }
    let_in = {one for one in operations(app) if not refused(await call(app, one, token(role)))}
    assert let_in == allowed


async def test_our_own_processes_are_let_in_everywhere_but_where_a_person_is_meant(app: FastAPI) -> None:
    key = {"X-Internal-Key": secrets().internal_key}
    let_in = {one for one in operations(app) if not refused(await call(app, one, key))}
    assert let_in == VERDICTS.keys() - set(TABLE["member"])


async def test_a_forged_token_opens_nothing_that_looks_at_tokens(app: FastAPI) -> None:
    forged = {"Authorization": token("admin")["Authorization"][:-8] + "AAAAAAAA"}
    for operation, verdict in VERDICTS.items():
        answer = await call(app, operation, forged)
        if verdict != "anyone":
            assert answer.status_code == 401, (operation, answer.text)
