"""Probes: single clicks whose way is watched, and the question whether a click changes what is recommended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from features.definitions import SESSION_RECENT, VIEWED
from lakefront.ids import new_id
from lakefront.settings import settings
from serving.online_store import Lookup, OnlineStore, StoreUnavailable
from simulator.shoppers import Visitor, network_address, street_address
from simulator.world import World

POLL_SECONDS = 0.01
LOST_SECONDS = 20.0
BETWEEN_PROBES_SECONDS = 0.6


def stranger(number: int) -> Visitor:
    """A guest with a device and an address of their own."""
    return Visitor(None, f"probe-{number}", network_address("NL", 60_000 + number, 3), street_address("NL", number), "")


@dataclass(slots=True)
class FeatureProbe:
    """Sends a click now and then and watches the online store until its feature is there."""

    world: World
    milliseconds: list[float] = field(default_factory=list)

    async def watch(self, finished: asyncio.Event) -> None:
        """Probe until somebody says stop."""
        store = OnlineStore(settings().store_url, 1000.0)
        try:
            while not finished.is_set():
                self.milliseconds.append(await self._one(store, len(self.milliseconds)))
                await asyncio.sleep(BETWEEN_PROBES_SECONDS)
        finally:
            await store.close()

    async def _one(self, store: OnlineStore, number: int) -> float:
        """Milliseconds from sending a click to reading it as a feature."""
        session = self.world.shopping.new_session()
        row = number % len(self.world.market.product_ids)
        event = view_of(session, self.world.market.product_ids[row])
        began = time.perf_counter()
        await self.world.client.send_events(stranger(number), session, [event])
        while time.perf_counter() - began < LOST_SECONDS:
            try:
                stored = await store.read([Lookup(session, (SESSION_RECENT,))])
            except StoreUnavailable:
                stored = []
            if stored and event["event_id"] in (stored[0][SESSION_RECENT.name].features.get(VIEWED.item_ids) or []):
                break
            await asyncio.sleep(POLL_SECONDS)
        return (time.perf_counter() - began) * 1000


def view_of(session: str, product_id: str) -> dict[str, Any]:
    """A click on a product, now."""
    return {
        "event_id": str(new_id()),
        "event_type": "storefront.product.viewed.v1",
        "data": {"session": session, "product_id": product_id, "surface": "direct"},
    }


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a session was shown before its clicks, and after."""

    before: list[str]
    after: list[str]
    strategy: str
    milliseconds: float

    @property
    def changed(self) -> bool:
        return self.before != self.after and bool(self.after)


async def reaction_to_clicks(world: World, known: Collection[str]) -> Reaction:
    """Read a guest's recommendations, click products of another corner of the catalogue, read again within a second.

    Only ``known`` products are clicked: of those listed since the model was trained no click can tell it anything.
    """
    visitor, session = stranger(9_999), world.shopping.new_session()
    before, _ = await _recommended(world, visitor, session)
    shown = [world.market.row_of[product] for product in before if product in world.market.row_of]
    seen = {int(world.market.category_of[row]) for row in shown[:5]}
    rows = [row for row, product in enumerate(world.market.product_ids) if product in known]
    elsewhere = [row for row in rows if int(world.market.category_of[row]) not in seen] or rows or [0]
    corner = world.market.category_of[elsewhere[0]]
    clicked = [world.market.product_ids[row] for row in elsewhere if world.market.category_of[row] == corner][:3]
    began = time.perf_counter()
    await world.client.send_events(visitor, session, [view_of(session, product) for product in clicked])
    while True:
        after, strategy = await _recommended(world, visitor, session)
        reaction = Reaction(before, after, strategy, (time.perf_counter() - began) * 1000)
        if reaction.changed or reaction.milliseconds > 1000:
            return reaction
        await asyncio.sleep(0.05)


async def _recommended(world: World, visitor: Visitor, session: str) -> tuple[list[str], str]:
    answer = await world.client.as_visitor(visitor, session, "GET", "/recommendations", params={"limit": "20"})
    if not answer.ok:
        return [], f"{answer.status} {answer.code}"
    return [item["product_id"] for item in answer.body["items"]], str(answer.body["metadata"]["strategy"])
