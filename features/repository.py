"""The Feast feature store of this installation: registry in PostgreSQL, online store in Redis, history in the lake.

Importing Feast takes seconds: only the pipelines and the command line do, and only inside functions.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote, urlsplit

os.environ.setdefault("FEAST_USAGE", "False")

import psycopg
from feast import FeatureStore, RepoConfig
from psycopg import sql

from features import sources, views
from features.entities import ENTITIES
from features.services import feature_services
from lakefront.feast_encoding import PROJECT
from lakefront.settings import settings

KEY_VERSION = 3
"""Version of the entity keys' serialization; ``lakefront.feast_encoding`` writes and reads this one."""


SCHEMA = "feast"
"""PostgreSQL schema of the registry: Feast's tables have names like entities, projects and permissions."""


def redis_connection(url: str) -> str:
    """Feast's way to write a Redis address: host:port,db=0,password=…"""
    parts = urlsplit(url)
    options: dict[str, str] = {"db": parts.path.strip("/") or "0"}
    if parts.username:
        options["username"] = unquote(parts.username)
    if parts.password:
        options["password"] = unquote(parts.password)
    if parts.scheme == "rediss":
        options["ssl"] = "true"
    return ",".join([f"{parts.hostname}:{parts.port or 6379}", *(f"{name}={value}" for name, value in options.items())])


def sqlalchemy_url(url: str) -> str:
    """The address of PostgreSQL with the driver that SQLAlchemy is to take."""
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def open_store(database_url: str | None = None, store_url: str | None = None) -> FeatureStore:
    """A handle on the feature store. One made before ``apply`` in the same process needs ``refresh_registry()``."""
    registry: dict[str, Any] = {
        "registry_type": "sql",
        "path": sqlalchemy_url(database_url or settings().database_url),
        "cache_ttl_seconds": 60,
        "sqlalchemy_config_kwargs": {
            "echo": False,
            "pool_size": 1,
            "max_overflow": 1,
            "pool_pre_ping": True,
            "connect_args": {"options": f"-c search_path={SCHEMA}"},
        },
    }
    online: dict[str, Any] = {
        "type": "redis",
        "connection_string": redis_connection(store_url or settings().store_url),
        # Each view has one writer, which always writes the latest values. Feast's own check would drop a corrected
        # value of the same event time: a late item in a list, scores published anew for the same day.
        "skip_dedup": True,
    }
    return FeatureStore(
        config=RepoConfig(
            project=PROJECT,
            provider="local",
            registry=registry,
            online_store=online,
            offline_store={"type": "dask"},
            entity_key_serialization_version=KEY_VERSION,
        )
    )


def apply() -> FeatureStore:
    """Bring the registry in line with this folder. Run twice it changes nothing. The history's tables must be there."""
    with psycopg.connect(settings().database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
    batch = sources.batch_sources()
    push = sources.push_sources(batch)
    made = views.feature_views(batch, push)
    store = open_store()
    store.apply([*ENTITIES.values(), *batch.values(), *push.values(), *made.values(), *feature_services(made)])
    store.refresh_registry()
    return store
