"""The shared connection: answers go to who asked, errors and losses to all who wait, nothing is mixed up."""

from __future__ import annotations

import asyncio
import signal

import pytest
import uvloop
from redis.exceptions import RedisError, ResponseError

from lakefront.redis_connection import RedisConnection


async def test_many_askers_get_their_own_answers(store_url):
    connection = RedisConnection(store_url)
    await connection.ask([("HSET", "shared-test", "a", "1", "b", b"\xff")])

    async def one(number):
        echo, values = await connection.ask([("ECHO", str(number)), ("HMGET", "shared-test", "a", "b", "none")])
        assert (echo, values) == (str(number).encode(), [b"1", b"\xff", None])

    await asyncio.gather(*(one(number) for number in range(500)))
    await connection.close()


async def test_who_gave_up_does_not_shift_the_answers_of_others(own_redis):
    connection = RedisConnection(own_redis[0])
    slow = asyncio.create_task(connection.ask([("BLPOP", "nothing", "0.2")]))
    await asyncio.sleep(0.02)
    chatter = asyncio.create_task(connection.ask([("ECHO", "after")]))
    await asyncio.sleep(0)
    slow.cancel()  # nothing was received meanwhile: the connection is not trusted any more
    with pytest.raises(asyncio.CancelledError):
        await slow
    with pytest.raises(RedisError):
        await chatter
    assert await connection.ask([("ECHO", "again")]) == [b"again"]
    await connection.close()


async def test_an_error_answer_is_raised_and_the_next_one_is_right(store_url):
    connection = RedisConnection(store_url)
    with pytest.raises(ResponseError, match="unknown command"):
        await connection.ask([("NONSENSE",), ("ECHO", "x")])
    assert await connection.ask([("ECHO", "y")]) == [b"y"]
    await connection.close()


async def test_a_lost_connection_fails_those_who_wait_and_the_next_one_connects_again(own_redis):
    url, process = own_redis
    connection = RedisConnection(url)
    await connection.ask([("ECHO", "a")])
    process.send_signal(signal.SIGSTOP)
    waiting = [asyncio.create_task(connection.ask([("ECHO", "b")])) for _ in range(3)]
    await asyncio.sleep(0.05)
    process.kill()
    for task in waiting:
        with pytest.raises((RedisError, OSError)):
            await task
    process.wait(timeout=30)  # until it is gone, its port may still take a connection and reset it
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await connection.ask([("ECHO", "c")])
    await connection.close()


async def test_it_logs_in_and_chooses_the_database(own_redis):
    url, _ = own_redis
    plain = RedisConnection(url)
    await plain.ask([("CONFIG", "SET", "requirepass", "secret:word")])
    refused = RedisConnection(url)
    with pytest.raises(RedisError, match="NOAUTH"):
        await refused.ask([("GET", "x")])
    other = RedisConnection(url.replace("redis://", "redis://:secret%3Aword@").replace("/0", "/3"))
    await other.ask([("SET", "only-in-3", "1")])
    assert await plain.ask([("GET", "only-in-3")]) == [None]
    assert await other.ask([("GET", "only-in-3")]) == [b"1"]
    wrong = RedisConnection(url.replace("redis://", "redis://:wrong@"))
    with pytest.raises(RedisError, match="WRONGPASS"):
        await wrong.ask([("ECHO", "x")])
    for connection in (plain, refused, other, wrong):
        await connection.close()


def test_it_works_on_the_loop_that_the_storefront_runs_on(store_url):
    """On uvloop, whose transports are no asyncio.Transport, every decision of the running shop once fell back."""

    async def ask():
        connection = RedisConnection(store_url)
        answer = await connection.ask([("ECHO", "on uvloop")])
        await connection.close()
        return answer

    assert uvloop.run(ask()) == [b"on uvloop"]
