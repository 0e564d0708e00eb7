"""Whoever watches an order hears of each fact once, in order, after a break too; and nobody watches another's order."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

import pytest

from lakefront.ids import new_id
from transactional.orders.live import watch_of


@pytest.fixture
async def watched(shop, create_product) -> tuple[str, dict[str, str]]:
    """A confirmed order of a guest, and the guest's headers."""
    headers = {"X-Session-Id": f"session-{new_id()}"}
    answer = await shop.order(headers, await create_product(stock={"main": 3}))
    return answer.json()["order_id"], headers


def sent_events(text: str) -> list[tuple[int, str]]:
    """The id and status of each event of a stream."""
    found = []
    for block in text.replace("\r\n", "\n").strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            assert fields["event"] == "order"
            found.append((int(fields["id"]), json.loads(fields["data"])["status"]))
    return found


async def deliver(shop, order_id: str, internal) -> None:
    for status in ("processing", "shipped", "delivered"):
        await asyncio.sleep(0.05)
        path = f"/api/v1/orders/{order_id}/status"
        assert (await shop.client.put(path, json={"status": status}, headers=internal)).status_code == 200


async def test_the_stream_tells_every_fact_and_ends_with_the_order(shop, watched, internal):
    order_id, headers = watched
    listening = asyncio.create_task(shop.client.get(f"/api/v1/orders/{order_id}/updates", headers=headers))
    await deliver(shop, order_id, internal)
    answer = await asyncio.wait_for(listening, 10)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert sent_events(answer.text) == [
        (1, "pending"), (2, "confirmed"), (3, "processing"), (4, "shipped"), (5, "delivered"),
    ]  # fmt: skip


async def test_after_a_break_the_stream_goes_on_where_it_was(shop, watched, internal):
    order_id, headers = watched
    await deliver(shop, order_id, internal)
    again = await shop.client.get(f"/api/v1/orders/{order_id}/updates", headers={**headers, "Last-Event-ID": "3"})
    assert sent_events(again.text) == [(4, "shipped"), (5, "delivered")]


async def test_two_who_watch_at_different_places_hear_what_each_has_not_heard(shop, watched, internal):
    order_id, _ = watched
    watch = watch_of(shop.core)

    async def heard(after: int) -> list[int]:
        return [fact["sequence"] async for fact in watch.follow(UUID(order_id), after)]

    listening = [asyncio.create_task(heard(after)) for after in (0, 2)]
    await deliver(shop, order_id, internal)
    assert await asyncio.wait_for(asyncio.gather(*listening), 10) == [[1, 2, 3, 4, 5], [3, 4, 5]]
    assert not watch._watchers


async def test_nobody_watches_the_order_of_another(shop, watched):
    order_id, _ = watched
    answer = await shop.client.get(
        f"/api/v1/orders/{order_id}/updates", headers={"X-Session-Id": f"session-{new_id()}"}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")
