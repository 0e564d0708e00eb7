"""Our reader and writer beside Feast itself: same keys, same bytes, same values."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pyarrow as pa
import pytest
import redis

from features import publish
from features.definitions import (
    CUSTOMER_PROFILE,
    FAILED,
    FLOATS,
    ORDERS,
    PARTY_RECENT,
    PARTY_RISK,
    PRODUCT_PRICE,
    STREAM_VIEWS,
    STRING,
    STRINGS,
    USER_RECENT,
    USER_RECOMMENDATIONS,
    VIEWED,
    VIEWS,
    Item,
    View,
    columns_of,
)
from features.online_writer import Row, add_rows
from lakefront.feast_encoding import EncodingError, decode, entity_key
from lakefront.lake.access import read, replace
from lakefront.lake.tables import GOLD_CUSTOMERS
from serving.online_store import Lookup, OnlineStore

AT = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
def client(feast_home):
    with redis.Redis.from_url(feast_home) as connection:
        yield connection


def example(view: View, size: int) -> dict[str, object]:
    """Features of a view with some awkward values; lists of the given size."""
    values: dict[str, object] = {}
    for name, kind in view.features.items():
        texts = [f"Ünïcode-{uuid4()}" if number % 3 else "" for number in range(size)]
        numbers = [number * 1e7 - 0.125 for number in range(size)]
        by_kind = {STRING: "v" * 200, STRINGS: texts, FLOATS: [value / 1e8 for value in numbers]}
        values[name] = by_kind.get(kind, numbers if kind == "doubles" else -0.0)
    return values


def feast_answer(view: View, entity: str) -> dict[str, object]:
    names = [f"{view.name}:{name}" for name in view.features]
    answer = publish._store().get_online_features(names, [{view.entity: entity}]).to_dict()
    return {name: answer[name][0] for name in view.features}


def our_answer(url: str, view: View, entity: str):
    async def ask():
        store = OnlineStore(url, deadline_ms=5000)
        try:
            return (await store.read([Lookup(entity, (view,))]))[0][view.name]
        finally:
            await store.close()

    return asyncio.run(ask())


def write(client, view: View, entity: str, features) -> None:
    pipeline = client.pipeline()
    add_rows(pipeline, [Row(view, entity, features, AT)])
    pipeline.execute()


@pytest.mark.parametrize("size", [0, 1, 50])
@pytest.mark.parametrize("view", STREAM_VIEWS, ids=lambda view: view.name)
def test_the_writer_writes_the_bytes_that_a_push_writes(feast_home, client, view, size):
    ours, theirs = f"ours-{uuid4()}", f"theirs-{uuid4()}"
    features = example(view, size)
    write(client, view, ours, features)
    publish.push(view, [{view.entity: theirs, **features}], AT)
    stored = client.hgetall(entity_key(view.entity, theirs))
    assert stored == client.hgetall(entity_key(view.entity, ours))
    assert len(stored) == len(view.features) + 1
    assert feast_answer(view, ours) == our_answer(feast_home, view, theirs).features == features


@pytest.mark.parametrize("view", VIEWS.values(), ids=lambda view: view.name)
def test_the_reader_reads_what_feast_reads(feast_home, view):
    import pandas as pd

    entity = f"entity-{uuid4()}"
    row = {view.entity: entity, **example(view, 7), "event_timestamp": AT, "created_timestamp": AT}
    publish._store().write_to_online_store(view.name, df=pd.DataFrame([row]))
    stored = our_answer(feast_home, view, entity)
    assert stored.features == feast_answer(view, entity)
    assert stored.event_time == AT


def test_an_entity_that_was_never_written_is_missing(feast_home):
    stored = our_answer(feast_home, USER_RECENT, f"nobody-{uuid4()}")
    assert (stored.features, stored.event_time) == ({}, None)
    assert not stored.is_stale(USER_RECENT, AT)


def test_views_of_one_entity_stand_beside_each_other(feast_home, client):
    user = str(uuid4())
    write(client, USER_RECENT, user, columns_of([Item("e", 1.0, 1.0, "p")], VIEWED))
    users = pa.table({"user": [user], "vector": [[0.5, -1.5]], "items": [["p1", "p2"]]})
    assert publish.publish_recommendations(users, "v1", AT) == 1
    assert our_answer(feast_home, USER_RECENT, user).features["viewed_product_ids"] == ["p"]
    published = our_answer(feast_home, USER_RECOMMENDATIONS, user)
    assert published.features == {"vector": [0.5, -1.5], "product_ids": ["p1", "p2"], "model_version": "v1"}
    assert published.is_stale(USER_RECOMMENDATIONS, AT + timedelta(days=31))


def test_publishing_again_for_the_same_moment_replaces(feast_home):
    product = str(uuid4())
    for version, factor in (("v1", 1.1), ("v2", 0.9)):
        factors = pa.table({"product_id": [product], "factor": [factor], "proposal_id": [f"of-{version}"]})
        publish.publish_price_factors(factors, version, AT)
    stored = our_answer(feast_home, PRODUCT_PRICE, product)
    assert stored.features == {"factor": 0.9, "proposal_id": "of-v2", "model_version": "v2"}


def test_risks_are_published_per_kind_of_party(feast_home):
    card = str(uuid4())
    publish.publish_risk("card", pa.table({"id": [card], "score": [0.75]}), "v3", AT)
    assert our_answer(feast_home, PARTY_RISK["card"], card).features == {"score": 0.75, "model_version": "v3"}
    assert our_answer(feast_home, PARTY_RISK["device"], card).features == {}
    with pytest.raises(ValueError, match="address"):
        publish.publish_risk("address", pa.table({"id": [card], "score": [0.75]}), "v3", AT)


def test_materialize_brings_the_customers_of_gold_online(feast_home):
    user = str(uuid4())
    row = dict.fromkeys(GOLD_CUSTOMERS.schema.names)
    row |= {"user": user, "orders": 3, "spend": 120.5, "average_order_value": 40.2, "orders_90d": 2, "chargebacks": 0}
    customers = pa.table(
        [pa.array([row[field.name]]).cast(field.type) for field in GOLD_CUSTOMERS.schema], schema=GOLD_CUSTOMERS.schema
    )
    replace(GOLD_CUSTOMERS, customers)
    publish.materialize(AT)
    stored = our_answer(feast_home, CUSTOMER_PROFILE, user)
    assert stored.features["spend"] == 120.5
    assert stored.features["orders"] == 3.0
    assert stored.event_time == AT


def test_feast_joins_history_as_training_does(feast_home):
    """Feast's own historical join over our sources agrees with what stands in the history at a moment."""
    import pandas as pd

    from features import offline

    view, card = PARTY_RECENT["card"], str(uuid4())
    rows = []
    for day, items in enumerate(([Item("o1", 1.0, 5.0, "a")], [Item("o1", 1.0, 5.0, "a"), Item("o2", 2.0, 6.0, "b")])):
        at = AT + timedelta(days=day)
        rows.append({"card": card, "event_timestamp": at, "created_timestamp": at,
                     **columns_of(items, ORDERS), **columns_of([], FAILED)})  # fmt: skip
    offline.append(view, pa.Table.from_pylist(rows, schema=offline.HISTORY[view.name].schema))
    asked = pd.DataFrame({"card": [card, card], "event_timestamp": [AT + timedelta(hours=1), AT + timedelta(days=2)]})
    names = [f"{view.name}:order_ids", f"{view.name}:order_amounts"]
    found = publish._store().get_historical_features(entity_df=asked, features=names).to_df()
    found = found.sort_values("event_timestamp")
    assert [list(value) for value in found["order_ids"]] == [["o1"], ["o1", "o2"]]
    assert [list(value) for value in found["order_amounts"]] == [[5.0], [5.0, 6.0]]
    assert read(offline.HISTORY[view.name]).num_rows >= 2


@pytest.mark.parametrize("encoded", [b"\x12\x05ab", b"\x29\x00", b"\xff\xff", b"\x62\x03\x0a\x01", b"\x7a\x02\x0a\x08"])
def test_what_feast_did_not_write_is_refused(encoded):
    with pytest.raises(EncodingError):
        decode(encoded)
