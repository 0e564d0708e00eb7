"""The relay's SQL. All of it runs on the one session that holds the partitions' advisory locks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from transactional.platform.database import Connection

LOCK_CLASS = 0x4C4B  # advisory locks are (class, partition)

_ENSURE_PROGRESS = """
INSERT INTO relay_progress (partition) SELECT unnest(%s::smallint[]) ON CONFLICT DO NOTHING"""

_TRY_LOCKS = """
SELECT partition FROM unnest(%s::int[]) AS wanted (partition) WHERE pg_try_advisory_lock(%s, partition)"""

# One statement, so a transaction of its own: a row that commits later is numbered later, whatever its id.
_NUMBER = """
WITH due AS MATERIALIZED (
    SELECT row.id, row.partition
    FROM unnest(%(partitions)s::smallint[]) AS held (partition)
    CROSS JOIN LATERAL (
        SELECT id, partition FROM outbox
        WHERE outbox.partition = held.partition AND position IS NULL
        ORDER BY id LIMIT %(limit)s
    ) AS row
), placed AS (
    SELECT due.id, due.partition,
           numbered + row_number() OVER (PARTITION BY due.partition ORDER BY due.id) AS position
    FROM due JOIN relay_progress USING (partition)
), raised AS (
    UPDATE relay_progress SET numbered = newest.position
    FROM (SELECT partition, max(position) AS position FROM placed GROUP BY partition) AS newest
    WHERE relay_progress.partition = newest.partition
)
UPDATE outbox SET position = placed.position FROM placed WHERE outbox.id = placed.id"""

# Whole packs come out of the database. A line break can only be white space in an envelope, but would part it in two.
_PACKS = """
SELECT partition, min(position) AS first_position, max(position) AS last_position, count(*)::int AS count,
       convert_to(string_agg(
           format('{"partition":%%s,"position":%%s,', partition, position)
               || substr(replace(envelope, E'\\n', ' '), strpos(envelope, '{') + 1),
           E'\\n' ORDER BY position), 'UTF8') AS payload
FROM (
    SELECT row.partition, row.position, row.envelope, (row.position - published - 1) / %(pack)s AS pack
    FROM relay_progress
    CROSS JOIN LATERAL (
        SELECT partition, position, envelope FROM outbox
        WHERE outbox.partition = relay_progress.partition AND position > published
        ORDER BY position LIMIT %(limit)s
    ) AS row
    WHERE relay_progress.partition = ANY(%(partitions)s) AND published - committed < %(ahead)s
) AS numbered
GROUP BY partition, pack
ORDER BY partition, pack"""

_PUBLISHED = """
UPDATE relay_progress SET published = sent.position
FROM unnest(%s::smallint[], %s::bigint[]) AS sent (partition, position)
WHERE relay_progress.partition = sent.partition"""

# A database restored from a backup may be behind bronze: positions that bronze has must not be given a second time.
_COMMITTED = """
UPDATE relay_progress SET committed = greatest(committed, bronze.position),
    numbered = greatest(numbered, bronze.position), published = greatest(published, bronze.position)
FROM unnest(%s::smallint[], %s::bigint[]) AS bronze (partition, position)
WHERE relay_progress.partition = bronze.partition AND committed < bronze.position"""

_DELETE = """
DELETE FROM outbox WHERE id IN (
    SELECT outbox.id FROM outbox JOIN relay_progress USING (partition)
    WHERE relay_progress.partition = ANY(%s) AND position <= committed
    LIMIT %s
)"""

_REWIND = """
UPDATE relay_progress SET published = least(published, greatest(wanted.position, committed))
FROM unnest(%s::smallint[], %s::bigint[]) AS wanted (partition, position)
WHERE relay_progress.partition = wanted.partition"""

_SET_GENERATION = "UPDATE relay_progress SET bus_generation = %s WHERE partition = ANY(%s)"

_PROGRESS = """
SELECT partition, numbered, published, committed, bus_generation FROM relay_progress
WHERE partition = ANY(%s) ORDER BY partition"""

_PARENTS = "SELECT id::text, parent_id::text FROM products WHERE id = ANY(%s::uuid[]) AND parent_id IS NOT NULL"

# Every soft reservation lasts equally long, so that the latest ones are those that end last.
_HELD = """
SELECT product_id::text, max(expires_at) FROM reservations
WHERE level = 'soft' AND expires_at > (SELECT max(expires_at) FROM reservations WHERE level = 'soft') - %s::interval
GROUP BY product_id"""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a partition has come: numbered in the outbox, published on the bus, committed in bronze."""

    partition: int
    numbered: int
    published: int
    committed: int
    bus_generation: str | None


@dataclass(frozen=True, slots=True)
class PackRow:
    """Up to a pack of consecutive outbox rows, ready for the bus."""

    partition: int
    first_position: int
    last_position: int
    count: int
    payload: bytes


async def ensure_progress(connection: Connection, partitions: Collection[int]) -> None:
    await connection.execute(_ENSURE_PROGRESS, [list(partitions)])


async def try_locks(connection: Connection, partitions: Collection[int]) -> set[int]:
    """Take the locks of those partitions that no other relay holds; they end with this session."""
    rows = await (await connection.execute(_TRY_LOCKS, [list(partitions), LOCK_CLASS])).fetchall()
    return {row[0] for row in rows}


async def number(connection: Connection, partitions: Collection[int], limit: int) -> int:
    """Give positions to committed rows, at most ``limit`` a partition; returns how many got one."""
    cursor = await connection.execute(_NUMBER, {"partitions": list(partitions), "limit": limit})
    return cursor.rowcount


async def packs(
    connection: Connection, partitions: Collection[int], *, limit: int, pack: int, ahead: int
) -> list[PackRow]:
    """The next packs to publish, at most ``limit`` rows a partition; none of a partition too far ahead of bronze."""
    async with connection.cursor(binary=True, row_factory=class_row(PackRow)) as cursor:
        await cursor.execute(_PACKS, {"partitions": list(partitions), "limit": limit, "pack": pack, "ahead": ahead})
        return await cursor.fetchall()


async def published(connection: Connection, positions: Mapping[int, int]) -> None:
    await connection.execute(_PUBLISHED, [list(positions), list(positions.values())])


async def committed(connection: Connection, positions: Mapping[int, int]) -> None:
    """Take over how far bronze has come. It never goes back."""
    await connection.execute(_COMMITTED, [list(positions), list(positions.values())])


async def delete_committed(connection: Connection, partitions: Collection[int], limit: int) -> int:
    """Delete rows that bronze has, at most ``limit``; returns how many."""
    return (await connection.execute(_DELETE, [list(partitions), limit])).rowcount


async def rewind(connection: Connection, positions: Mapping[int, int]) -> None:
    """Publish again from behind these positions, though never what bronze has."""
    await connection.execute(_REWIND, [list(positions), list(positions.values())])


async def set_generation(connection: Connection, partitions: Collection[int], generation: str) -> None:
    await connection.execute(_SET_GENERATION, [generation, list(partitions)])


async def progress(connection: Connection, partitions: Collection[int]) -> list[Progress]:
    async with connection.cursor(row_factory=class_row(Progress)) as cursor:
        await cursor.execute(_PROGRESS, [list(partitions)])
        return await cursor.fetchall()


async def parents(connection: Connection, product_ids: Collection[str]) -> dict[str, str]:
    """Of those that are variants, whose."""
    return dict(await (await connection.execute(_PARENTS, [list(product_ids)])).fetchall())


async def held_in_carts(connection: Connection, overlap: timedelta) -> dict[str, datetime]:
    """Products of which carts took something lately, or took it anew, and how long they hold it."""
    return dict(await (await connection.execute(_HELD, [overlap])).fetchall())
