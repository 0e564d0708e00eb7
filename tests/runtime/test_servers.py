"""The embedded servers of the test session are real, and each worker has its own databases on them."""

from __future__ import annotations

import psycopg
import redis

from lakefront.settings import settings


def test_postgres_18_with_all_migrations(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert connection.info.server_version // 10000 == 18
        assert connection.execute("SELECT to_regclass('outbox') IS NOT NULL").fetchone() == (True,)
    assert settings().database_url == database_url


def test_bus_keeps_everything_and_store_evicts_what_has_a_lifetime(bus_url: str, store_url: str) -> None:
    with redis.Redis.from_url(bus_url, decode_responses=True) as bus:
        assert bus.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert bus.config_get("appendonly") == {"appendonly": "yes"}
    with redis.Redis.from_url(store_url, decode_responses=True) as store:
        assert store.config_get("maxmemory-policy") == {"maxmemory-policy": "volatile-lru"}
        assert int(store.config_get("maxmemory")["maxmemory"]) > 0
