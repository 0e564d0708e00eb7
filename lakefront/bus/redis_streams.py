"""The bus on Redis Streams: one stream key per (stream, partition), one entry per pack.

Redis must run append-only with ``appendfsync always`` and without eviction: what XADD has answered survives a kill -9.
Every call has a deadline and is tried once; whoever must not lose anything sends again, and consumers recognise it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from lakefront.bus.interface import CLICKS, COMMERCE, PACK_LIMIT, BusError, DeadLetter, Entry, Pack
from lakefront.bus.offsets import N_BITS, offset_of, pack_offset, stream_id
from lakefront.clock import iso, real_now

GENERATION_KEY = "bus:generation"
DEAD_LETTERS_KEY = "bus:dead-letters"
PARKED_KEY = "bus:dead-letters:known"  # what is parked already, so that a consumer may park again after a crash
RESEND_KEY = "bus:resend"
CONNECTIONS = 32

_PARK = """
if redis.call('SADD', KEYS[2], ARGV[1]) == 1 then
  redis.call('XADD', KEYS[1], '*', 'stream', ARGV[2], 'partition', ARGV[3], 'offset', ARGV[4], 'payload', ARGV[5],
             'reason', ARGV[6], 'consumer', ARGV[7], 'parked_at', ARGV[8])
end"""
_HOLD = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


def stream_key(stream: str, partition: int) -> str:
    """Redis key of one partition of a stream."""
    return f"bus:{stream}:{partition}"


class RedisStreamsBus:
    """See ``lakefront.bus.interface.Bus``. One instance per process, safe for concurrent tasks of one event loop."""

    def __init__(self, url: str, *, deadline_seconds: float = 2.0) -> None:
        self._deadline = deadline_seconds
        options: dict[str, Any] = {
            "retry": Retry(NoBackoff(), 0),
            "retry_on_error": [],
            "socket_connect_timeout": deadline_seconds,
            "driver_info": None,
        }
        commands = BlockingConnectionPool.from_url(
            url, max_connections=CONNECTIONS, timeout=deadline_seconds, **options
        )
        # Blocking reads have connections of their own, so that a waiting consumer never takes one from a publisher.
        waiting = ConnectionPool.from_url(url, **options)
        self._redis: Redis = Redis(connection_pool=commands)
        self._waiting: Redis = Redis(connection_pool=waiting)

    @asynccontextmanager
    async def _in_time(self, seconds: float | None = None) -> AsyncIterator[None]:
        """Turn everything that can go wrong on the way into BusError."""
        try:
            async with asyncio.timeout(seconds or self._deadline):
                yield
        except TimeoutError as error:
            raise BusError(f"the bus did not answer within {seconds or self._deadline:g} s") from error
        except (RedisError, OSError) as error:
            raise BusError(f"the bus failed: {error}") from error

    async def generation(self) -> str:
        async with self._in_time(), self._redis.pipeline(transaction=True) as pipe:
            pipe.set(GENERATION_KEY, uuid4().hex, nx=True)
            pipe.get(GENERATION_KEY)
            _, value = await pipe.execute()
        return str(value.decode())

    async def publish(self, packs: Sequence[Pack]) -> list[int]:
        if not packs:
            return []
        async with self._in_time(), self._redis.pipeline(transaction=True) as pipe:
            for pack in packs:
                pipe.xadd(stream_key(pack.stream, pack.partition), _fields(pack))
            ids: list[bytes] = await pipe.execute()
            await self._step_past_full_milliseconds(packs, ids)
        return [offset_of(entry_id) for entry_id in ids]

    async def _step_past_full_milliseconds(self, packs: Sequence[Pack], ids: Sequence[bytes]) -> None:
        """Move a stream to its next millisecond before n outgrows its bits, as a clock set back might let it."""
        for pack, entry_id in zip(packs, ids, strict=True):
            ms, n = entry_id.split(b"-")
            if int(n) >> (N_BITS - 1):
                try:
                    key = stream_key(pack.stream, pack.partition)
                    await self._redis.execute_command("XSETID", key, f"{int(ms) + 1}-0")
                except ResponseError:
                    continue  # another publisher has stepped on already

    async def read(self, after: Mapping[tuple[str, int], int], *, limit: int, wait_ms: int) -> list[Entry]:
        if not after:
            return []
        names = {stream_key(*place).encode(): place for place in after}
        # XREAD gives what is greater than the id: the pack of the offset itself has been read.
        cursors: dict[Any, Any] = {stream_key(*place): stream_id(offset) for place, offset in after.items()}
        async with self._in_time(self._deadline + wait_ms / 1000):
            answer = await self._waiting.xread(cursors, count=limit, block=max(wait_ms, 1))
        return [_entry(*names[key], entry_id, fields) for key, entries in answer for entry_id, fields in entries]

    async def last_position(self, partition: int) -> int:
        async with self._in_time():
            newest = await self._redis.xrevrange(stream_key(COMMERCE, partition), count=1)
        return int(newest[0][1].get(b"last", 0)) if newest else 0

    async def trim(self, stream: str, partition: int, through: int) -> None:
        key = stream_key(stream, partition)
        async with self._in_time():
            newest = await self._redis.xrevrange(key, count=1)
            if not newest:
                return
            # The first entry to stay. The newest only ever grows, so a publish in between is safe.
            first_kept = min(pack_offset(through) + (1 << 7), offset_of(newest[0][0]))
            await self._redis.xtrim(key, minid=stream_id(first_kept), approximate=False)

    async def park(
        self, stream: str, partition: int, offset: int, payload: bytes, reason: str, *, consumer: str = ""
    ) -> None:
        known = _letter_name(consumer, stream, partition, offset)
        async with self._in_time():
            await self._redis.eval(
                _PARK, 2, DEAD_LETTERS_KEY, PARKED_KEY,
                known, stream, partition, offset, payload, reason, consumer, iso(real_now()),
            )  # type: ignore[misc]  # fmt: skip

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        async with self._in_time():
            entries = await self._redis.xrange(DEAD_LETTERS_KEY, count=limit)
        return [_dead_letter(entry_id, fields) for entry_id, fields in entries]

    async def replay(self, letters: Sequence[DeadLetter]) -> int:
        if not letters:
            return 0
        async with self._in_time(), self._redis.pipeline(transaction=True) as pipe:
            await pipe.watch(DEAD_LETTERS_KEY)
            present = {
                entry[0][0].decode()
                for entry in [await pipe.xrange(DEAD_LETTERS_KEY, x.id, x.id, count=1) for x in letters]
                if entry
            }
            pipe.multi()
            for letter in (letter for letter in letters if letter.id in present):
                pack = _replay_pack(letter)
                pipe.xadd(stream_key(pack.stream, pack.partition), _fields(pack))
                pipe.xdel(DEAD_LETTERS_KEY, letter.id)
                pipe.srem(PARKED_KEY, _letter_name(letter.consumer, letter.stream, letter.partition, letter.offset))
            await pipe.execute()
        return len(present)

    async def request_resend(self, partition: int, after: int) -> None:
        async with self._in_time():
            await self._redis.hset(RESEND_KEY, str(partition), str(after))  # type: ignore[misc]

    async def take_resend_requests(self) -> dict[int, int]:
        async with self._in_time(), self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(RESEND_KEY)
            pipe.delete(RESEND_KEY)
            requests, _ = await pipe.execute()
        return {int(partition): int(after) for partition, after in requests.items()}

    async def hold_lease(self, name: str, holder: str, seconds: float) -> bool:
        async with self._in_time():
            held = await self._redis.eval(_HOLD, 1, f"bus:lease:{name}", holder, int(seconds * 1000))  # type: ignore[misc]
        return bool(held)

    async def release_lease(self, name: str, holder: str) -> None:
        async with self._in_time():
            await self._redis.eval(_RELEASE, 1, f"bus:lease:{name}", holder)  # type: ignore[misc]

    async def close(self) -> None:
        await self._redis.aclose()
        await self._waiting.aclose()
        await self._redis.connection_pool.disconnect()
        await self._waiting.connection_pool.disconnect()


def _fields(pack: Pack) -> dict[Any, Any]:
    if not 0 < pack.count <= PACK_LIMIT:
        raise ValueError(f"a pack holds 1 to {PACK_LIMIT} envelopes, not {pack.count}")
    fields: dict[Any, Any] = {"payload": pack.payload, "count": pack.count}
    if pack.last_position is not None and pack.first_position is not None:
        fields |= {"first": pack.first_position, "last": pack.last_position}
    if pack.replay_for:
        fields["replay_for"] = pack.replay_for
    return fields


def _entry(stream: str, partition: int, entry_id: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    first = fields.get(b"first")
    return Entry(
        stream=stream,
        partition=partition,
        offset=offset_of(entry_id),
        payload=fields[b"payload"],
        count=int(fields[b"count"]),
        first_position=None if first is None else int(first),
        replay_for=fields.get(b"replay_for", b"").decode(),
    )


def _letter_name(consumer: str, stream: str, partition: int, offset: int) -> str:
    return f"{consumer}:{stream}:{partition}:{offset}"


def _dead_letter(entry_id: bytes, fields: Mapping[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        id=entry_id.decode(),
        stream=fields[b"stream"].decode(),
        partition=int(fields[b"partition"]),
        offset=int(fields[b"offset"]),
        payload=fields[b"payload"],
        reason=fields[b"reason"].decode(),
        consumer=fields[b"consumer"].decode(),
        parked_at=datetime.fromisoformat(fields[b"parked_at"].decode()).astimezone(UTC),
    )


def _replay_pack(letter: DeadLetter) -> Pack:
    """A letter as a pack of one. Replayed envelopes travel on the clicks stream, which goes by offset alone: on the
    commerce stream bronze has passed their position long ago and would take them for a repetition."""
    return Pack(CLICKS, letter.partition, letter.payload, 1, replay_for=letter.consumer)
