"""Orders are their histories: any state can be replayed, a row that went wrong is rebuilt, and no fact is ever changed."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transactional.orders import projection
from transactional.orders.history import BrokenHistory, OrderState, Recorded, apply, exactly, replay
from transactional.orders.moves import SNAPSHOT_EVERY
from transactional.orders.states import MOVES

PLACED = {
    "order": {"id": "o", "status": "pending", "channel": "shop", "total": "19.9900", "tracking_number": None},
    "lines": [{"line_number": 1, "sku": "a", "reservation_id": "r1"}, {"line_number": 2, "sku": "b"}],
}


@st.composite
def walks(draw):
    """A legal history of random length."""
    facts, status = [Recorded(1, "2026-01-01", PLACED)], "pending"
    while MOVES[status] and len(facts) < 15 and draw(st.booleans()):
        status = draw(st.sampled_from(sorted(MOVES[status])))
        facts.append(Recorded(len(facts) + 1, f"2026-01-{len(facts) + 1:02}", {"order": {"status": status}}))
    return facts


@given(walks(), st.data())
def test_a_snapshot_and_what_came_after_it_lead_to_the_same_state(facts, data):
    cut = data.draw(st.integers(1, len(facts)))
    snapshot = OrderState.of(replay(facts[:cut]).document())
    assert replay(facts[cut:], snapshot) == replay(facts)
    assert replay(facts).order["version"] == len(facts)


@given(walks(), st.data())
def test_a_missing_or_doubled_fact_is_noticed(facts, data):
    place = data.draw(st.integers(0, len(facts) - 1))
    with pytest.raises(BrokenHistory):
        replay([*facts[: place + 1], *facts[place:]])
    if place < len(facts) - 1:
        with pytest.raises(BrokenHistory):
            replay(facts[:place] + facts[place + 1 :])


def test_an_illegal_move_is_noticed():
    delivered = Recorded(2, "2026-01-02", {"order": {"status": "delivered"}})
    with pytest.raises(BrokenHistory, match="fact 2: an order cannot go from pending to delivered"):
        replay([Recorded(1, "2026-01-01", PLACED), delivered])


def test_a_fact_changes_only_the_columns_and_lines_that_it_names():
    changes = {"order": {"tracking_number": "LF1"}, "lines": [{"line_number": 1, "reservation_id": "r2"}]}
    state = apply(replay([Recorded(1, "2026-01-01", PLACED)]), Recorded(2, "2026-01-02", changes))
    assert state.order["tracking_number"] == "LF1" and state.order["total"] == "19.9900"
    assert state.lines[1] == {"line_number": 1, "sku": "a", "reservation_id": "r2"}
    assert state.lines[2] == {"line_number": 2, "sku": "b"}


def test_money_is_not_read_as_a_float():
    assert exactly('{"total": 0.1000, "version": 3}') == {"total": "0.1000", "version": 3}


@pytest.fixture
async def order_id(shop, create_product, create_user) -> str:
    """A confirmed order of two products by a member."""
    first = await create_product(price="0.10", stock={"main": 5})
    second = await create_product(price="12.35", stock={"main": 5})
    items = [{"product_id": product["product_id"], "quantity": 3} for product in (first, second)]
    answer = await shop.order((await create_user()).headers, first, items=items)
    assert answer.status_code == 201, answer.text
    return answer.json()["order_id"]


async def findings(shop, order_id: str) -> list[str]:
    found = [finding async for batch in projection.check(shop.core.db) for finding in batch]
    return [finding.problem for finding in found if str(finding.order_id) == order_id]


async def test_an_order_that_moves_while_it_is_checked_is_no_finding(shop, order_id, internal, monkeypatch):
    compare = projection._differing

    async def move_then_compare(connection, facts):
        if any(str(fact["order_id"]) == order_id for fact in facts):
            moved = await shop.client.put(
                f"/api/v1/orders/{order_id}/status", json={"status": "processing"}, headers=internal
            )
            assert moved.status_code == 200
        return await compare(connection, facts)

    monkeypatch.setattr(projection, "_differing", move_then_compare)
    assert await findings(shop, order_id) == []


async def test_the_row_is_what_the_history_says(shop, order_id):
    assert await findings(shop, order_id) == []
    async with shop.core.db.connection() as connection:
        state = await projection.state_of(connection, order_id)
    assert (state.sequence, state.status, state.order["total"]) == (2, "confirmed", "37.3500")
    assert [(line["quantity"], line["total"]) for line in state.lines.values()] == [(3, "0.3000"), (3, "37.0500")]


async def test_a_row_and_lines_that_went_wrong_are_found_and_rebuilt(shop, order_id):
    before = await shop.sql(
        "SELECT o, l FROM orders o JOIN order_lines l ON l.order_id = o.id WHERE o.id = %s", order_id
    )
    await shop.sql("UPDATE orders SET status = 'failed', total = 1, version = 9 WHERE id = %s", order_id)
    await shop.sql("UPDATE order_lines SET quantity = 7 WHERE order_id = %s AND line_number = 1", order_id)
    await shop.sql("DELETE FROM order_lines WHERE order_id = %s AND line_number = 2", order_id)
    assert sorted(await findings(shop, order_id)) == [
        "its list of lines is not what the history says",
        "its row is not what the history says",
    ]
    await projection.rebuild(shop.core.db, order_id)
    assert await findings(shop, order_id) == []
    after = await shop.sql(
        "SELECT o, l FROM orders o JOIN order_lines l ON l.order_id = o.id WHERE o.id = %s", order_id
    )
    assert sorted(map(str, after)) == sorted(map(str, before))


async def test_rebuilding_writes_every_column_that_a_history_keeps(shop, order_id):
    """A column that a later migration adds has to be rebuilt too."""
    columns = await shop.sql(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name IN ('orders', 'order_lines') AND is_identity = 'NO'"
        "   AND column_name NOT IN ('id', 'order_id', 'line_number', 'product_id', 'user_id', 'shipping_address',"
        "                           'billing_address', 'status', 'channel')"
    )
    spoiled = {
        "numeric": "5", "bigint": "77", "integer": "77", "uuid": "gen_random_uuid()", "text": "'x'",
        "character": "'XXX'", "timestamp with time zone": "now()",
    }  # fmt: skip
    for table, column, kind in columns:
        key = "id" if table == "orders" else "order_id"
        await shop.sql(f"UPDATE {table} SET {column} = {spoiled[kind]} WHERE {key} = %s", order_id)
        assert await findings(shop, order_id), f"{table}.{column} is not in the history"
        await projection.rebuild(shop.core.db, order_id)
        assert await findings(shop, order_id) == [], f"{table}.{column} is not rebuilt"


@pytest.mark.parametrize("statement", ["UPDATE order_history SET data = '{}'", "DELETE FROM order_history"])
async def test_no_fact_is_ever_changed_or_removed(shop, order_id, statement):
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        await shop.sql(f"{statement} WHERE order_id = %s", order_id)


async def test_what_names_a_person_is_in_the_order_alone(shop, order_id):
    ((changes,),) = await shop.sql(
        "SELECT changes::text FROM order_history WHERE order_id = %s AND sequence = 1", order_id
    )
    ((user_id, address),) = await shop.sql("SELECT user_id, shipping_address FROM orders WHERE id = %s", order_id)
    assert address["street"] == "123 Main St"
    assert "Main St" not in changes and str(user_id) not in changes


async def test_a_long_history_is_replayed_from_a_snapshot(shop, create_product, internal):
    product = await create_product(stock={"main": 50})
    headers = {"X-Session-Id": "session-of-a-long-history"}
    order_id = (await shop.order(headers, product, token="tok_decline_x")).json()["order_id"]
    for _ in range(SNAPSHOT_EVERY // 2):  # each try is two facts: pending again, failed again
        body = {"order_id": order_id, "payment_method": "tok_decline_x"}
        answer = await shop.client.post("/api/v1/payments/process", json=body, headers=headers)
        assert answer.status_code == 402, answer.text
    taken = await shop.sql("SELECT sequence FROM order_snapshots WHERE order_id = %s", order_id)
    assert taken == [(SNAPSHOT_EVERY,)]
    async with shop.core.db.connection() as connection:
        assert (await projection.state_of(connection, order_id)).sequence == 2 + SNAPSHOT_EVERY
        assert (await projection.state_of(connection, order_id, sequence=3)).status == "pending"
    assert await findings(shop, order_id) == []


async def test_an_order_is_shown_as_it_was(shop, order_id, internal):
    path = f"/api/v1/orders/{order_id}/history"
    now = (await shop.client.get(path, headers=internal)).json()
    assert [fact["sequence"] for fact in now["facts"]] == [1, 2]
    assert now["state"]["order"]["status"] == "confirmed" and now["state"]["order"]["tracking_number"]
    then = (await shop.client.get(path, params={"sequence": 1}, headers=internal)).json()
    assert then["state"]["order"]["status"] == "pending" and then["state"]["order"]["tracking_number"] is None
    placed_at = datetime.fromisoformat(now["facts"][0]["occurred_at"])
    before = {"as_of": (placed_at - timedelta(seconds=1)).isoformat()}
    early = await shop.client.get(path, params=before, headers=internal)
    assert (early.status_code, early.json()["title"]) == (404, "The order was not like that then")
    beyond = await shop.client.get(path, params={"sequence": 9}, headers=internal)
    assert (beyond.status_code, "its last fact is 2" in beyond.json()["detail"]) == (404, True)
    assert (await shop.client.get(path)).status_code == 401
