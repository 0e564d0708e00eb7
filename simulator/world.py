"""The world turns: days of business time, batches of visits between jumps of the clock, and everything around the
shop.

A ``World`` stays open over several stretches of trade, so that the demo can fill a first history quickly and then
let the shop trade on at a walking pace while a pipeline runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from lakefront.clock import CLOCK_POLL_SECONDS, Clock
from lakefront.secrets import Secrets
from simulator.catalogue import WAREHOUSE_PLACES, built_in_catalogue
from simulator.chargebacks import ChargeBacks, webhook
from simulator.client import API, Client, NotSimulating, ShopUnavailable
from simulator.fraudsters import Fraudsters
from simulator.market import Market
from simulator.shoppers import Shopper, archetype_vectors, populate
from simulator.shopping import Shopping, Tally, gather_limited
from simulator.tastes import Listed, product_vectors
from simulator.truth import TruthFile

DAY = timedelta(days=1)
COHORT_AGES_DAYS = (12, 5)
"""Before the first day the clock jumps between cohorts of registrations, so that not all accounts are equally old."""
AFTER_MIDNIGHT = timedelta(minutes=2)
FIRST_HOUR, WAKING_HOURS = 6.0, 17.0
PACK = 500
CLOCK_SETTLES_SECONDS = 3 * CLOCK_POLL_SECONDS

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much world: shoppers, batches of visits a business day, visits at once."""

    shoppers: int
    seed: int = 1
    batches_per_day: int = 3
    at_once: int = 24


class World:
    """An open world around one shop. Create it with ``World.enter``; close it to keep the truth."""

    def __init__(
        self, client: Client, plan: Plan, secrets: Secrets, truth: TruthFile, products: list[dict[str, Any]]
    ) -> None:
        self.client = client
        self.plan = plan
        self._secrets = secrets
        self._truth = truth
        self.state = truth.state()
        if self.state.runs == 0:
            self.state.seed = plan.seed
        self.state.runs += 1
        seed = self.state.seed
        listed = [_listed(product) for product in products]
        bases = [float(product["base_price"]) for product in products]
        self._vectors = product_vectors(listed)
        archetypes = archetype_vectors(self._vectors, np.random.default_rng([seed, 5]))
        self.shoppers = populate(plan.shoppers, archetypes, seed, secrets.internal_key)
        self.market = Market.open(listed, bases, seed)
        for row, product in enumerate(products):  # what the shop recommends is the product, not one of its variants
            self.market.row_of.setdefault(product.get("listed_as", product["product_id"]), row)
        affinity = np.stack([shopper.taste for shopper in self.shoppers]) @ self._vectors.T
        self._rng = np.random.default_rng([seed, self.state.runs, 4])
        self._chargebacks = ChargeBacks(self.state.pending_chargebacks, self._rng)
        self.shopping = Shopping(
            session_prefix=f"sim-{self.state.runs:04d}-",
            client=client,
            market=self.market,
            products=listed,
            affinity=affinity,
            chargebacks=self._chargebacks,
            rng=self._rng,
        )
        self.shopping.awaiting_review = [(order, fraud) for order, fraud in self.state.awaiting_review]
        self._fraudsters = Fraudsters(listed, seed, self.state.runs, secrets.internal_key)
        self._visits = 0
        self.clock = Clock()
        self._today = self.clock.now()
        self._known_proposals: set[str] = set()

    @classmethod
    async def enter(cls, client: Client, plan: Plan, secrets: Secrets, home: Path) -> World:
        """Look at what the shop lists and move the people in."""
        products = await client.pages("/products", {"limit": "100"})
        if not products:
            raise ShopUnavailable("the shop lists no products: add some first (POST /products)")
        sold: list[dict[str, Any]] = []
        for product in products:
            sold += await _variants(client, product["product_id"]) if product["has_variants"] else [product]
        world = cls(client, plan, secrets, TruthFile(home), sold)
        world._truth.keep_state(world.state)  # the run's number is taken, however it ends
        await world.read_clock()
        return world

    @property
    def tally(self) -> Tally:
        return self.shopping.tally

    async def open_accounts(self, progress: Progress | None = None) -> None:
        """Those who were customers before the first day register, in cohorts of different age."""
        if self.state.day > 0:
            return
        early = [shopper for shopper in self.shoppers if shopper.opens_account_on_day < 0]
        cohorts = [early[number :: len(COHORT_AGES_DAYS) + 1] for number in range(len(COHORT_AGES_DAYS) + 1)]
        for number, cohort in enumerate(cohorts):
            tasks = [self.client.enter(shopper.visitor) for shopper in cohort]
            await gather_limited(tasks, self.plan.at_once)
            if progress is not None:
                progress((number + 1) / len(cohorts), f"{len(cohort)} accounts opened")
            if number < len(COHORT_AGES_DAYS):
                await self.jump(COHORT_AGES_DAYS[number] * DAY)

    async def trade(self, days: int, progress: Progress | None = None) -> None:
        """Days of trade, as fast as the shop can take them."""
        for day in range(days):
            await self._morning()
            for batch in range(self.plan.batches_per_day):
                await self._batch(batch)
                if progress is not None:
                    done = (day + (batch + 1) / self.plan.batches_per_day) / days
                    progress(done, f"day {self.state.day}: {self.tally.visits} visits, {self.tally.orders} orders")
            self.state.day += 1
            self.keep()

    async def trade_until(self, finished: asyncio.Event, visits_per_second: float) -> None:
        """Trade at a walking pace until somebody says stop: visits begin one by one, as a shop sees them."""
        while not finished.is_set():
            await self._morning()
            for batch in range(self.plan.batches_per_day):
                await self._batch(batch, visits_per_second, finished)
                if finished.is_set():
                    break
            self.state.day += 1
            self.keep()

    async def read_clock(self) -> None:
        """Take over the shop's business time."""
        self.clock.set_offset(await business_time_offset(self.client))

    async def jump(self, distance: timedelta) -> None:
        """Move business time forward and wait until every process of the shop has seen it."""
        answer = await self.client.request(
            "POST", f"{API}/simulation/clock", {"advance_seconds": int(distance.total_seconds())}
        )
        if not answer.ok:
            raise ShopUnavailable(f"POST /simulation/clock answered {answer.status} {answer.code}: {answer.body}")
        self.clock.set_offset(timedelta(seconds=answer.body["offset_seconds"]))
        await asyncio.sleep(CLOCK_SETTLES_SECONDS)

    async def jump_to(self, moment: datetime) -> None:
        """Jump to a moment of business time; nothing happens where it has passed."""
        distance = moment - self.clock.now()
        if distance > timedelta(seconds=1):
            await self.jump(distance)

    def keep(self) -> None:
        """Write the truth down."""
        self.state.pending_chargebacks = self._chargebacks.pending()
        self.state.awaiting_review = self.shopping.awaiting_review
        self._truth.keep_orders(self.state.runs, self.shopping.orders)
        self._truth.keep_people(self.state.runs, self.shoppers, self._vectors, self.market)
        self._truth.keep_state(self.state)

    async def _morning(self) -> None:
        """Just after midnight, so that a price holds for a whole day of the books: what others did to prices, our own
        price moves, deliveries."""
        self._today = self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + DAY
        await self.jump_to(self._today + AFTER_MIDNIGHT)
        approved = await self.client.pages("/pricing/proposals", {"status": "approved", "limit": "200"})
        for proposal in reversed(approved):  # the newest last: it is in force
            if proposal["product_id"] in self.market.row_of and proposal["proposal_id"] not in self._known_proposals:
                self._known_proposals.add(proposal["proposal_id"])
                self.market.notice_decision(proposal["product_id"], float(proposal["proposed_price"]))
        await self._change_prices(self.market.morning())
        receipts = self.market.deliveries()
        for start in range(0, len(receipts), PACK):
            answer = await self.client.request(
                "POST", f"{API}/inventory/receipts", {"receipts": receipts[start : start + PACK]}
            )
            if answer.ok:
                self.tally.deliveries += len(receipts[start : start + PACK])
            else:
                self.tally.refuse(answer)

    async def _change_prices(self, changes: list[dict[str, Any]]) -> None:
        for start in range(0, len(changes), PACK):
            pack = changes[start : start + PACK]
            answer = await self.client.request("POST", f"{API}/pricing/changes", {"changes": pack})
            if not answer.ok:
                self.tally.refuse(answer)
                continue
            self.tally.price_changes += len(pack)
            self.market.accept(pack, answer.body.get("items", []))

    async def _batch(self, number: int, pace: float | None = None, finished: asyncio.Event | None = None) -> None:
        """The clock jumps, then a part of the day's visits happen, and what followed from earlier ones."""
        await self.jump_to(self._today + self._hour_of(number))
        now = self.clock.now()
        honest_before = self.tally.orders - self.tally.frauds
        visits = self._visits_of_batch()
        if pace is None or finished is None:
            await gather_limited([self.shopping.visit(shopper, now, rng) for shopper, rng in visits], self.plan.at_once)
        else:
            await self._stroll(visits, now, pace, finished)
        honest = self.tally.orders - self.tally.frauds - honest_before
        victims = [shopper for shopper, _ in visits if _has_account(shopper)]
        raids = self._fraudsters.plan(honest, victims)
        await gather_limited([self.shopping.raid(raid, now) for raid in raids], self.plan.at_once)
        await self._tell_chargebacks(now)
        await self.shopping.decide_reviews()

    async def _stroll(
        self, visits: list[tuple[Shopper, np.random.Generator]], now: datetime, pace: float, finished: asyncio.Event
    ) -> None:
        """Visits begin at a steady rate, whether or not earlier ones have ended: load as a shop sees it."""
        running: list[asyncio.Task[None]] = []
        for shopper, rng in visits:
            if finished.is_set():
                break
            running.append(asyncio.create_task(self.shopping.visit(shopper, now, rng)))
            await asyncio.sleep(1.0 / pace)
        await gather_limited(running, len(running) + 1)

    def _hour_of(self, batch: int) -> timedelta:
        """When in the day a batch of visits comes: spread over the waking hours, never on the dot."""
        hours = FIRST_HOUR + WAKING_HOURS * (batch + float(self._rng.uniform(0.2, 0.8))) / self.plan.batches_per_day
        return timedelta(hours=hours)

    def _visits_of_batch(self) -> list[tuple[Shopper, np.random.Generator]]:
        """Who comes now: everybody by their own rate, weekends busier; nobody before they open their account."""
        weekend = 1.25 if self.state.day % 7 in (5, 6) else 1.0
        coming: list[tuple[Shopper, np.random.Generator]] = []
        for shopper in self.shoppers:
            rate = shopper.sessions_per_day * weekend / self.plan.batches_per_day
            if shopper.opens_account_on_day <= self.state.day and self._rng.random() < 1 - np.exp(-rate):
                self._visits += 1
                coming.append((shopper, np.random.default_rng([self.state.seed, self.state.runs, 6, self._visits])))
        order = self._rng.permutation(len(coming))
        return [coming[place] for place in order]

    async def _tell_chargebacks(self, now: datetime) -> None:
        for entry in self._chargebacks.take_due(now):
            body, headers = webhook(entry, self._secrets.webhook_key)
            answer = await self.client.request("POST", f"{API}/payments/webhooks/sandbox", raw=body, headers=headers)
            if answer.ok:
                self.tally.chargebacks += 1
            elif answer.code != "nothing_charged":  # refused in review, or cancelled: the card's holder lost nothing
                self.tally.refuse(answer)


async def business_time_offset(client: Client, patience: float | None = None) -> timedelta:
    """How far the shop's business time is ahead. Raises ShopUnavailable; NotSimulating where the clock cannot be moved."""
    answer = await client.request("GET", f"{API}/simulation/clock", patience=patience)
    if answer.code == "not_simulating":
        raise NotSimulating("the shop is not in simulation mode")
    if not answer.ok:
        raise ShopUnavailable(f"GET /simulation/clock answered {answer.status} {answer.code}: {answer.body}")
    return timedelta(seconds=answer.body["offset_seconds"])


async def stock_the_shelves(client: Client) -> int:
    """Open the warehouses and list the built-in catalogue. Returns how many products the shop took."""
    for code, warehouse in WAREHOUSE_PLACES.items():
        answer = await client.request("PUT", f"{API}/inventory/warehouses/{code}", warehouse)
        if not answer.ok:
            raise ShopUnavailable(f"PUT /inventory/warehouses answered {answer.status} {answer.code}: {answer.body}")
    products = built_in_catalogue()
    for start in range(0, len(products), PACK):
        answer = await client.request("POST", f"{API}/products", {"products": products[start : start + PACK]})
        if not answer.ok:
            raise ShopUnavailable(f"POST /products answered {answer.status} {answer.code}: {answer.body}")
    return len(products)


def _listed(product: dict[str, Any]) -> Listed:
    return Listed(
        product_id=product["product_id"],
        title=product["title"],
        category=product["category"],
        brand=product.get("brand"),
        price=float(product["price"]),
        currency=product["currency"],
    )


async def _variants(client: Client, product_id: str) -> list[dict[str, Any]]:
    """What is sold of a product that comes in variants, each as lists show a product: people want and buy these, and their
    prices and stock are what moves."""
    answer = await client.request("GET", f"{API}/products/{product_id}")
    if not answer.ok:
        raise ShopUnavailable(f"GET /products/{product_id} answered {answer.status} {answer.code}")
    page = answer.body
    return [
        {
            "product_id": one["variant_id"],
            "listed_as": page["product_id"],
            "title": f"{page['title']} ({', '.join(one['options'].values())})",
            "category": page["category"]["path"],
            "brand": page["brand"],
            "price": one["price"],
            "base_price": one["base_price"],
            "currency": page["currency"],
        }
        for one in page["variants"]
        if one["status"] == "active"
    ]


def _has_account(shopper: Shopper) -> bool:
    return shopper.visitor.account is not None and shopper.visitor.account.access_token is not None
