"""The reader under bad conditions: Redis paused, killed, restarted; and prices read through it."""

from __future__ import annotations

import asyncio
import signal
import time
from uuid import uuid4

import pytest
import redis

from features.definitions import PRODUCT_PRICE, USER_RECENT
from lakefront.breaker import CircuitBreaker
from lakefront.feast_encoding import entity_key, feature_field, time_field
from serving.decisions import PriceFactor, RecommendationRequest
from serving.online_store import Lookup, OnlineStore, StoreUnavailable


def lookups(*users):
    return [Lookup(user, (USER_RECENT,)) for user in users]


async def test_a_paused_store_is_late_and_then_left_alone(own_redis):
    url, process = own_redis
    store = OnlineStore(url, 50, CircuitBreaker("test", seconds_open=0.3))
    assert len(await store.read(lookups("a", "b"))) == 2
    process.send_signal(signal.SIGSTOP)
    for _ in range(5):
        begun = time.perf_counter()
        with pytest.raises(StoreUnavailable) as raised:
            await store.read(lookups("a"))
        assert raised.value.fallback == "store_late"
        assert time.perf_counter() - begun < 0.5
    begun = time.perf_counter()
    for _ in range(100):
        with pytest.raises(StoreUnavailable) as raised:
            await store.read(lookups("a"))
        assert raised.value.fallback == "store_down"
    assert time.perf_counter() - begun < 0.2  # none of these waited
    process.send_signal(signal.SIGCONT)
    await asyncio.sleep(0.4)
    assert len(await store.read(lookups("a"))) == 1
    await store.close()


async def test_a_killed_store_is_down(own_redis):
    url, process = own_redis
    store = OnlineStore(url, 500)
    await store.read(lookups("a"))
    process.kill()
    process.wait()
    with pytest.raises(StoreUnavailable) as raised:
        await store.read(lookups("a"))
    assert raised.value.fallback == "store_down"
    await store.close()


async def test_decisions_go_on_while_the_store_is_paused(decisions_at, own_redis, popular, now):
    url, process = own_redis
    decisions = decisions_at(url, deadline_ms=50)
    process.send_signal(signal.SIGSTOP)
    answer = await decisions.recommend(RecommendationRequest("u", "session-1", None, "home", 5, now, popular))
    assert (answer.strategy, answer.fallback) == ("popular", "store_late")
    assert len(answer.product_ids) == 5
    prices = await decisions.price_factors([str(uuid4())])
    assert (prices.factors, prices.fallback) == ({}, "store_late")


async def test_what_feast_did_not_write_counts_as_no_answer(store_url, someone):
    with redis.Redis.from_url(store_url) as client:
        field = feature_field(USER_RECENT.name, "viewed_ids")
        client.hset(
            entity_key("user", someone), mapping={time_field(USER_RECENT.name): b"\x08\x01", field: b"\x62\x09a"}
        )
    store = OnlineStore(store_url, 500)
    with pytest.raises(StoreUnavailable, match="Feast"):
        await store.read(lookups(someone))
    await store.close()


async def test_published_price_factors_are_read_and_others_are_absent(decisions, write_features):
    known, unknown = str(uuid4()), str(uuid4())
    proposal = str(uuid4())
    write_features(PRODUCT_PRICE, known, {"factor": 1.05, "proposal_id": proposal, "model_version": "v7"})
    prices = await decisions.price_factors([unknown, known])
    assert prices.factors == {known: PriceFactor(1.05, proposal, "v7")}
    assert prices.fallback is None
