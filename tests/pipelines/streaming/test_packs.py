"""Packs to bronze rows: what is understood, what is parked, and that the payload stays as it came."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from lakefront.lake.tables import EVENTS
from pipelines.streaming.packs import Lines, to_rows, with_written_at

ENVELOPE = {
    "event_id": "01", "event_type": "commerce.order.placed.v1", "occurred_at": "2011-12-09T12:50:00.000000Z",
    "recorded_at": "2026-01-02T23:59:59.999999Z", "source": "transactional.orders", "key": "k", "sequence": 3,
    "data": {"title": "Größe „L“ \\ \"x\"", "lines": [None, {"a": 1}]}, "metadata": {},
}  # fmt: skip


def line(**changes: object) -> bytes:
    return json.dumps(ENVELOPE | changes, ensure_ascii=False).encode()


BAD_LINES = {
    b"": "",
    b"null": "not a JSON object",
    b"{}": "event_id is missing",
    b"[1]": "not a JSON object",
    b'{"event_id": "half': "",
    b"\xff\xfe": "utf-8",
    line(event_id=5): "event_id is missing",
    line(event_type=None): "event_type is missing",
    line(key=""): "key is missing",
    line(recorded_at="yesterday"): "recorded_at is not an ISO 8601 time",
    line(occurred_at="0001-01-01T00:00:00+14:00"): "occurred_at is not an ISO 8601 time",
    line(sequence="three"): "sequence is not a whole number",
    line(sequence=2**70): "",
    line() + line(): "",
}


def test_fields_become_columns_and_the_payload_stays_as_it_came() -> None:
    written = line()
    rows, bad = to_rows([Lines("commerce", 3, 17, [written])])
    assert bad == []
    moment = datetime(2026, 1, 3, tzinfo=UTC)
    table = with_written_at(rows, moment)
    assert table.schema == EVENTS.schema
    assert table.to_pylist() == [
        {
            "event_id": "01",
            "event_type": "commerce.order.placed.v1",
            "occurred_at": datetime(2011, 12, 9, 12, 50, tzinfo=UTC),
            "recorded_at": datetime(2026, 1, 2, 23, 59, 59, 999999, tzinfo=UTC),
            "source": "transactional.orders",
            "key": "k",
            "sequence": 3,
            "stream": "commerce",
            "partition": 3,
            "offset": 17,
            "payload": written.decode(),
            "written_at": moment,
            "recorded_date": date(2026, 1, 2),
        }
    ]


def test_each_line_gets_its_own_offset_and_partition() -> None:
    batch = [Lines("clicks", 0, 1280, [line(key="a"), line(key="b")]), Lines("commerce", 2, 5, [line(key="c")])]
    rows, _ = to_rows(batch)
    assert [(r["stream"], r["partition"], r["offset"], r["key"]) for r in rows.to_pylist()] == [
        ("clicks", 0, 1280, "a"), ("clicks", 0, 1281, "b"), ("commerce", 2, 5, "c"),
    ]  # fmt: skip


def test_sequence_may_be_absent() -> None:
    rows, bad = to_rows([Lines("clicks", 0, 128, [line(sequence=None), line()])])
    assert bad == []
    assert rows["sequence"].to_pylist() == [None, 3]


@pytest.mark.parametrize("bad_line", BAD_LINES, ids=lambda value: value[:30].decode(errors="replace"))
def test_a_bad_line_is_named_and_the_others_stay(bad_line: bytes) -> None:
    batch = [Lines("clicks", 1, 256, [line(key="a"), bad_line]), Lines("commerce", 0, 9, [line(key="b")])]
    rows, bad = to_rows(batch)
    assert [(r["stream"], r["offset"], r["key"]) for r in rows.to_pylist()] == [
        ("clicks", 256, "a"), ("commerce", 9, "b"),
    ]  # fmt: skip
    [only] = bad
    assert (only.stream, only.partition, only.offset, only.payload) == ("clicks", 1, 257, bad_line)
    assert only.reason
    assert BAD_LINES[bad_line] in only.reason


def test_the_slow_way_reads_as_the_quick_one() -> None:
    lines = [line(key=str(number), sequence=number or None) for number in range(200)]
    quick, _ = to_rows([Lines("clicks", 1, 256, lines)])
    slow, bad = to_rows([Lines("clicks", 1, 256, lines), Lines("clicks", 2, 256, [b"nonsense"])])
    assert len(bad) == 1
    assert with_written_at(slow, datetime.now(UTC)).drop(["written_at"]) == with_written_at(
        quick, datetime.now(UTC)
    ).drop(["written_at"])


def test_envelopes_larger_than_a_block_are_read() -> None:
    large = line(data={"text": "x" * 3_000_000})
    rows, bad = to_rows([Lines("clicks", 0, 128, [large, line()])])
    assert bad == []
    assert rows["payload"].to_pylist()[0] == large.decode()


def test_nothing_is_no_rows() -> None:
    rows, bad = to_rows([])
    assert (len(rows), bad) == (0, [])
    assert with_written_at(rows, datetime.now(UTC)).schema == EVENTS.schema
