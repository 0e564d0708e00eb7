"""Values that go to PostgreSQL as documents and events arrive as they were."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

import orjson
import pytest

from lakefront.contracts.envelope import EventData
from lakefront.ids import new_id
from transactional.platform.outbox import Fact, outbox_rows
from transactional.platform.query import document, first, value


class Measured(EventData):
    """An event with floats."""

    event_type: ClassVar = "test.measured.v1"
    key_field: ClassVar = "decision_id"

    decision_id: UUID
    ratio: float
    parts: dict[str, float]


async def test_a_document_keeps_amounts_bytes_times_and_identifiers_exactly(shop):
    row = {
        "amount": Decimal("0.10"),
        "small": Decimal("1E-4"),
        "hash": bytes(range(256)),
        "at": datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        "id": new_id(),
        "title": "it's \"5'' × 3\" \\ ü",
        "nothing": None,
        "names": ["a,b", "c"],
    }
    statement = """SELECT * FROM jsonb_to_record(%(row)s) AS r (
        amount numeric, small numeric, hash bytea, at timestamptz, id uuid, title text, nothing text, names text[])"""
    async with shop.core.db.connection() as connection:
        assert await first(connection, statement, {"row": document(row)}) == row


async def test_a_document_refuses_what_it_cannot_keep(shop):
    async with shop.core.db.connection() as connection:
        with pytest.raises(TypeError, match="not JSON serializable: set"):
            await value(connection, "SELECT %(row)s", {"row": document({"numbers": {1, 2}})})


async def test_the_value_of_no_row_is_none(shop):
    async with shop.core.db.connection() as connection:
        assert await value(connection, "SELECT 1 WHERE false") is None
        assert await value(connection, "SELECT 7") == 7


def test_what_is_no_number_leaves_as_null_since_json_has_none():
    data = Measured(decision_id=new_id(), ratio=float("nan"), parts={"a": float("inf"), "b": 0.5})
    ((_, envelope, kept),) = outbox_rows([Fact(data, 1, datetime(2026, 1, 2, tzinfo=UTC), "test")], 4)
    expected = {"decision_id": str(data.decision_id), "ratio": None, "parts": {"a": None, "b": 0.5}}
    assert json.loads(envelope)["data"] == expected == json.loads(orjson.dumps(kept))
