"""Packs to bronze rows: envelope fields become columns, the envelope itself stays as it came in ``payload``.

Whole batches go through pyarrow's JSON reader. Where it stumbles, the batch is read line by line, so that one bad event
does not hold up the others: what cannot be understood is handed back with the reason.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from lakefront.lake.tables import EVENTS, TIME

ENVELOPE = pa.schema(
    [EVENTS.schema.field(name) for name in
     ("event_id", "event_type", "occurred_at", "recorded_at", "source", "key", "sequence")]
)  # fmt: skip
"""The envelope's fields that are columns of bronze; ``sequence`` alone may be absent."""
REQUIRED = [name for name in ENVELOPE.names if name != "sequence"]
_PARSE = pj.ParseOptions(explicit_schema=ENVELOPE, unexpected_field_behavior="ignore", newlines_in_values=False)
_SMALLEST_BLOCK = 1 << 20
_FIRST_MOMENT = -62_135_596_800_000_000  # 0001-01-01, in microseconds
_LAST_MOMENT = 253_402_300_799_999_999  # the end of 9999


@dataclass(frozen=True, slots=True)
class Lines:
    """Consecutive envelopes of one partition. ``offset`` is the first one's, the others follow one by one."""

    stream: str
    partition: int
    offset: int
    lines: list[bytes]


@dataclass(frozen=True, slots=True)
class BadLine:
    """An envelope that is none."""

    stream: str
    partition: int
    offset: int
    payload: bytes
    reason: str


def to_rows(batch: Sequence[Lines]) -> tuple[pa.Table, list[BadLine]]:
    """Bronze rows (without ``written_at``) of everything that can be understood, and the rest."""
    lines = [line for part in batch for line in part.lines]
    if not lines:
        return _shape(ENVELOPE.empty_table(), [], batch, np.empty(0, np.int64)), []
    columns = _read_all(lines)
    if columns is not None:
        return _shape(columns, lines, batch, np.arange(len(lines))), []
    return _one_by_one(lines, batch)


def _read_all(lines: list[bytes]) -> pa.Table | None:
    """Envelope columns of all lines, None when any of them is not an envelope."""
    # Anything but an object must not reach the reader: pyarrow 26 crashes on a leading `null`.
    if not all(line.startswith(b"{") for line in lines):
        return None
    text = b"\n".join(lines)
    block = max(_SMALLEST_BLOCK, 2 * max(map(len, lines)))
    try:
        table = pj.read_json(io.BytesIO(text), pj.ReadOptions(block_size=block), _PARSE)
    except pa.ArrowInvalid:
        return None
    table = table.select(ENVELOPE.names)
    is_whole = len(table) == len(lines) and all(_is_filled(table[name]) for name in REQUIRED)
    return table if is_whole else None


def _is_filled(column: pa.ChunkedArray) -> bool:
    """No value is missing, no text is empty, and every time is one that Python knows too."""
    if column.null_count:
        return False
    if pa.types.is_string(column.type):
        return not pc.any(pc.equal(pc.binary_length(column), 0)).as_py()
    reach = pc.min_max(column.cast(pa.int64())).as_py()
    return bool(reach["min"] >= _FIRST_MOMENT and reach["max"] <= _LAST_MOMENT)


def _one_by_one(lines: list[bytes], batch: Sequence[Lines]) -> tuple[pa.Table, list[BadLine]]:
    good: list[dict[str, Any]] = []
    places: list[int] = []
    bad: list[BadLine] = []
    where = [(part, place) for part in batch for place in range(len(part.lines))]
    for number, line in enumerate(lines):
        try:
            good.append(_read_one(line))
            places.append(number)
        except ValueError as error:
            part, place = where[number]
            bad.append(BadLine(part.stream, part.partition, part.offset + place, line, str(error)))
    columns = pa.Table.from_pylist(good, schema=ENVELOPE)
    kept = [lines[number] for number in places]
    return _shape(columns, kept, batch, np.asarray(places, np.int64)), bad


def _read_one(line: bytes) -> dict[str, Any]:
    """The envelope columns of one line. Raises ValueError that says what is wrong."""
    line.decode("utf-8")
    envelope = orjson.loads(line)
    if not isinstance(envelope, dict):
        raise ValueError("not a JSON object")
    values = {name: envelope.get(name) for name in ENVELOPE.names}
    for name in REQUIRED:
        if not isinstance(values[name], str) or not values[name]:
            raise ValueError(f"{name} is missing or not a string")
    for name in ("occurred_at", "recorded_at"):
        values[name] = _moment(name, str(values[name]))
    sequence = values["sequence"]
    is_whole_number = isinstance(sequence, int) and not isinstance(sequence, bool) and abs(sequence) < 2**63
    if sequence is not None and not is_whole_number:
        raise ValueError("sequence is not a whole number")
    return values


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} is not an ISO 8601 time: {text[:40]!r}") from None


def _shape(columns: pa.Table, lines: list[bytes], batch: Sequence[Lines], places: np.ndarray[Any, Any]) -> pa.Table:
    """Add to the envelope columns where each came from, the envelope itself and the date that partitions bronze."""
    counts = [len(part.lines) for part in batch]
    starts = np.repeat(np.cumsum([0, *counts[:-1]]) if counts else np.empty(0, np.int64), counts)
    offsets = np.repeat(np.asarray([part.offset for part in batch], np.int64), counts)
    offsets = offsets + np.arange(len(offsets)) - starts
    partitions = np.repeat(np.asarray([part.partition for part in batch], np.int32), counts)
    streams = np.repeat(np.asarray([part.stream for part in batch], object), counts)
    table = columns
    for name, values in (
        ("stream", pa.array(streams[places], pa.string())),
        ("partition", pa.array(partitions[places], pa.int32())),
        ("offset", pa.array(offsets[places], pa.int64())),
        ("payload", pa.array(lines, pa.binary()).cast(pa.string())),
        ("recorded_date", pc.cast(columns["recorded_at"], pa.date32())),
    ):
        table = table.append_column(name, values)
    return table


def with_written_at(rows: pa.Table, moment: datetime) -> pa.Table:
    """Rows as bronze's contract has them, written at a moment."""
    written_at = pa.repeat(pa.scalar(moment, TIME), len(rows))
    return rows.append_column("written_at", written_at).select(EVENTS.schema.names).cast(EVENTS.schema)
