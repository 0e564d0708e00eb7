"""Visits and raids carried out against the shop over HTTP, and what came of each order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from lakefront.clock import iso
from lakefront.ids import new_id
from lakefront.money import money_text
from simulator import choice
from simulator.chargebacks import ChargeBacks
from simulator.client import Answer, Client
from simulator.fraudsters import Purchase, Raid
from simulator.market import Market
from simulator.shoppers import Shopper, Visitor, network_address
from simulator.tastes import Listed, Vectors, words
from simulator.truth import OrderTruth
from simulator.visit import Visit

CATEGORY_LIST = 24
LISTS_BEYOND_FIRST = 1.1
SIMILAR_SHARE = 0.22
"""Share of visits that look at what is recommended beside a product they opened."""
SEARCH_SHARE = 0.15
GUEST_SHARE = 0.07
"""Share of visits in which a customer did not log in: they look, and come back later to buy."""
OTHER_DEVICE_SHARE = 0.08
TRAVELLING_SHARE = 0.3
DECLINED_CARD_SHARE = 0.02
REVIEW_ACCURACY = 0.92
FAST_CLICKS_SECONDS = (40, 240)


@dataclass(slots=True)
class Tally:
    """What happened in the world so far."""

    visits: int = 0
    orders: int = 0
    """Orders that the shop took, reviews included."""
    frauds: int = 0
    """Orders of fraudsters that the shop took."""
    declined_frauds: int = 0
    declined_honest: int = 0
    payment_declined: int = 0
    out_of_stock: int = 0
    price_conflicts: int = 0
    reviews: int = 0
    chargebacks: int = 0
    price_changes: int = 0
    deliveries: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    def refuse(self, answer: Answer) -> None:
        name = f"{answer.status} {answer.code}".strip()
        self.refused[name] = self.refused.get(name, 0) + 1


class Shopping:
    """One world's way into the shop. ``affinity`` has a row for each shopper, a column for each product."""

    def __init__(
        self,
        *,
        session_prefix: str,
        client: Client,
        market: Market,
        products: list[Listed],
        affinity: Vectors,
        chargebacks: ChargeBacks,
        rng: np.random.Generator,
    ) -> None:
        self.session_prefix = session_prefix
        self._client = client
        self._market = market
        self._products = products
        self._affinity = affinity
        self._chargebacks = chargebacks
        self._rng = rng
        self._median_price = float(np.median(market.base))
        self._rows_of_category = [
            np.flatnonzero(market.category_of == number) for number in range(len(market.categories))
        ]
        self._category_shares: dict[int, choice.Floats] = {}
        self._currency = products[0].currency
        self.tally = Tally()
        self.orders: list[OrderTruth] = []
        self.awaiting_review: list[tuple[str, bool]] = []

    async def visit(self, shopper: Shopper, now: datetime, rng: np.random.Generator) -> None:
        """An honest visit, from the first list to the order. ``rng`` is its own: visits run side by side."""
        visitor = _appearance(shopper, rng)
        await self._client.enter(visitor)
        visit = self._begin(shopper, now, rng)
        self.tally.visits += 1
        rows, decision = await self._recommended(visitor, visit, "home")
        visit.see_list(rows, "home", decision)
        await self._look_around(shopper, visitor, visit)
        wants_to_buy = visit.decide() and visitor.account is not None
        await self._client.send_events(visitor, visit.session, visit.take_events())
        if wants_to_buy:
            await self._buy(shopper, visitor, visit, now)

    async def raid(self, raid: Raid, now: datetime) -> None:
        """A fraud, purchase by purchase."""
        await self._client.enter(raid.visitor)
        session = self.new_session()
        for purchase in raid.purchases:
            await self._client.send_events(raid.visitor, session, self._hasty_clicks(session, purchase, now))
            await self._steal(raid, purchase, session, now)

    async def decide_reviews(self) -> None:
        """A person looks at the orders held for review, and is mostly right."""
        waiting, self.awaiting_review = self.awaiting_review, []
        for order_id, is_fraud in waiting:
            is_right = self._rng.random() < REVIEW_ACCURACY
            accept = is_fraud != is_right
            answer = await self._client.request("POST", f"/api/v1/orders/{order_id}/review", {"accept": bool(accept)})
            if not answer.ok:
                self.tally.refuse(answer)

    def new_session(self) -> str:
        """A session's id; its beginning tells this run's sessions from all others in the lake."""
        return f"{self.session_prefix}{new_id().hex}"

    def _begin(self, shopper: Shopper, now: datetime, rng: np.random.Generator) -> Visit:
        return Visit(
            session=self.new_session(),
            affinity=self._affinity[shopper.number].astype(np.float64),
            sensitivity=shopper.price_sensitivity,
            budget=shopper.budget * self._median_price,
            shelf=self._market.shelf(),
            product_ids=self._market.product_ids,
            moment=now - timedelta(seconds=float(rng.uniform(420, 900))),
            latest=now + timedelta(seconds=60),
            rng=rng,
        )

    async def _recommended(
        self, visitor: Visitor, visit: Visit, surface: str, product_id: str | None = None
    ) -> tuple[np.ndarray, str | None]:
        params = {"limit": "20", "surface": surface}
        if product_id is not None:
            params["product_id"] = product_id
        answer = await self._client.as_visitor(visitor, visit.session, "GET", "/recommendations", params=params)
        if not answer.ok:
            self.tally.refuse(answer)
            return np.array([], dtype=np.intp), None
        row_of = self._market.row_of
        known = [row_of[item["product_id"]] for item in answer.body["items"] if item["product_id"] in row_of]
        return np.array(known, dtype=np.intp), answer.body.get("decision_id")

    async def _look_around(self, shopper: Shopper, visitor: Visitor, visit: Visit) -> None:
        """Categories of one's liking, perhaps a search, perhaps what the shop shows beside a product."""
        shares = self._category_shares.get(shopper.number)
        if shares is None:
            shares = choice.category_shares(visit.affinity, self._market.category_of, len(self._market.categories))
            self._category_shares[shopper.number] = shares
        for category in visit.rng.choice(len(shares), size=1 + visit.rng.poisson(LISTS_BEYOND_FIRST), p=shares):
            inside = visit.rng.permutation(self._rows_of_category[int(category)])[:CATEGORY_LIST]
            visit.see_list(inside, "category", most=6)
        if visit.rng.random() < SEARCH_SHARE:
            self._search(visit)
        if visit.viewed and visit.rng.random() < SIMILAR_SHARE:
            await self._client.send_events(visitor, visit.session, visit.take_events())
            seed = self._market.product_ids[visit.viewed[-1]]
            rows, decision = await self._recommended(visitor, visit, "product", seed)
            visit.see_list(rows, "product", decision)

    def _search(self, visit: Visit) -> None:
        """Search for a word of something that one would like."""
        wanted = int(np.argmax(visit.affinity + visit.rng.gumbel(0, 0.25, len(visit.affinity))))
        options = words(self._products[wanted].title)
        if not options:
            return
        word = options[int(visit.rng.integers(len(options)))]
        found = np.array([row for row, p in enumerate(self._products) if word in p.title.lower()][:200], dtype=np.intp)
        visit.search(word, len(found))
        visit.see_list(visit.rng.permutation(found)[:CATEGORY_LIST], "search")

    async def _buy(self, shopper: Shopper, visitor: Visitor, visit: Visit, now: datetime) -> None:
        works = visit.rng.random() >= DECLINED_CARD_SHARE
        token = visitor.payment_token if works else f"tok_decline_{shopper.number}_{int(visit.rng.integers(1_000_000))}"
        answer = await self._order(visitor, visit.session, visit.basket, token)
        if answer.code == "price_changed" and visit.rng.random() < 0.85:
            self.tally.price_conflicts += 1
            answer = await self._order(visitor, visit.session, visit.basket, token, name_prices=False)
        if answer.code == "out_of_stock":
            answer = await self._buy_the_rest(visitor, visit, token, answer)
        self._note(answer, now, shopper=shopper.number, card_works=works)
        if not works and answer.status == 402:  # one's other card
            answer = await self._order(visitor, visit.session, visit.basket, shopper.cards[1])
            self._note(answer, now, shopper=shopper.number)
        if answer.ok:
            self._sold(visit.basket)

    async def _buy_the_rest(self, visitor: Visitor, visit: Visit, token: str, answer: Answer) -> Answer:
        """Something ran out: remember what, buy the others if there are any."""
        self.tally.out_of_stock += 1
        named = answer.body.get("product_ids") or [entry.get("product_id") for entry in answer.body.get("items", [])]
        gone = [self._market.row_of[name] for name in named if name in self._market.row_of] or list(visit.basket)[:1]
        for row in gone:
            self._market.available[row] = False
            visit.basket.pop(row, None)
        if not visit.basket:
            return answer
        return await self._order(visitor, visit.session, visit.basket, token, name_prices=False)

    async def _steal(self, raid: Raid, purchase: Purchase, session: str, now: datetime) -> None:
        """Try the dead cards, if any, on one order; then order with the card that lives."""
        if purchase.dead_tokens:
            first, *others = purchase.dead_tokens
            tried = await self._order(raid.visitor, session, purchase.lines, first)
            self._note(tried, now, pattern=raid.pattern, card_works=False)
            order_id = tried.body.get("order_id")
            for token in others if order_id and tried.status == 402 else ():
                body = {"order_id": order_id, "payment_method": token}
                await self._client.as_visitor(raid.visitor, session, "POST", "/payments/process", body)
        answer = await self._order(raid.visitor, session, purchase.lines, purchase.payment_token, name_prices=False)
        self._note(answer, now, pattern=raid.pattern)
        if answer.ok:
            self._sold(purchase.lines)

    async def _order(
        self, visitor: Visitor, session: str, lines: dict[int, int], token: str, *, name_prices: bool = True
    ) -> Answer:
        items: list[dict[str, Any]] = []
        for row, quantity in lines.items():
            item: dict[str, Any] = {"product_id": self._market.product_ids[row], "quantity": quantity}
            if name_prices:
                item["price"] = money_text(Decimal(str(self._market.price[row])), self._currency)
            items.append(item)
        body = {"items": items, "shipping_address": visitor.shipping_address, "payment_method": token}
        headers = {"Idempotency-Key": str(new_id())}
        return await self._client.as_visitor(visitor, session, "POST", "/orders", body, headers=headers)

    def _note(
        self,
        answer: Answer,
        now: datetime,
        *,
        shopper: int | None = None,
        pattern: str | None = None,
        card_works: bool = True,
    ) -> None:
        """Remember what came of an order, and the truth about it."""
        order_id, is_fraud = answer.body.get("order_id"), pattern is not None
        outcome = str(answer.body.get("status")) if answer.ok else answer.code
        if answer.ok:
            self.tally.orders += 1
            self.tally.frauds += is_fraud
            if outcome == "review":
                self.tally.reviews += 1
                self.awaiting_review.append((str(order_id), is_fraud))
            if payment_id := answer.body.get("payment_id"):
                self._chargebacks.expect(str(payment_id), now, is_fraud=is_fraud)
        elif answer.code == "order_declined":
            self.tally.declined_frauds += is_fraud
            self.tally.declined_honest += not is_fraud
        elif answer.status == 402:
            self.tally.payment_declined += 1
        else:
            self.tally.refuse(answer)
        if order_id is not None:
            self.orders.append(OrderTruth(str(order_id), iso(now), is_fraud, pattern, outcome, card_works, shopper))

    def _sold(self, lines: dict[int, int]) -> None:
        for row, quantity in lines.items():
            self._market.sell(row, quantity)

    def _hasty_clicks(self, session: str, purchase: Purchase, now: datetime) -> list[dict[str, Any]]:
        """The few pages that somebody opens who knows what they want."""
        moment = now - timedelta(seconds=float(self._rng.uniform(*FAST_CLICKS_SECONDS)))
        wanted = list(purchase.lines)
        events: list[dict[str, Any]] = []
        for number in range(purchase.views):
            row = wanted[number % len(wanted)]
            moment += timedelta(seconds=float(self._rng.uniform(1, 6)))
            data = {"session": session, "product_id": self._market.product_ids[row], "surface": "direct"}
            events.append(
                {
                    "event_id": str(new_id()),
                    "event_type": "storefront.product.viewed.v1",
                    "occurred_at": iso(moment),
                    "data": data,
                }
            )
        return events


def _appearance(shopper: Shopper, rng: np.random.Generator) -> Visitor:
    """How a shopper comes this time: now and then another device, a foreign network, the other card, or no login."""
    home = shopper.visitor
    device, address = home.device, home.network_address
    if rng.random() < OTHER_DEVICE_SHARE:
        device += "-phone"
    if shopper.is_moving and rng.random() < TRAVELLING_SHARE:
        address = network_address(("FR", "US", "BR", "GB")[shopper.number % 4], shopper.number, 5)
    is_guest = rng.random() < GUEST_SHARE
    card = shopper.cards[int(rng.random() < 0.15)]
    return Visitor(None if is_guest else home.account, device, address, home.shipping_address, card)


async def gather_limited(tasks: list[Any], limit: int) -> None:
    """Run coroutines, at most ``limit`` at once; the first error is raised after the others ended."""
    gate = asyncio.Semaphore(limit)

    async def one(task: Any) -> None:
        async with gate:
            await task

    results = await asyncio.gather(*(one(task) for task in tasks), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
