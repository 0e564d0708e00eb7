"""A trade written straight into bronze through the contracts, and one Spark session for all tests here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakefront.contracts import Envelope, EventData, partition_of
from lakefront.contracts.commerce import (
    OrderLine,
    OrderPlaced,
    OrderStatusChanged,
    PaymentChanged,
    PriceChanged,
    ProductListed,
    StockChanged,
)
from lakefront.contracts.decisions import FraudAssessed, RecommendationServed
from lakefront.contracts.reviews import ReviewChanged
from lakefront.contracts.storefront import CartItemAdded, ProductViewed
from lakefront.ids import new_id
from lakefront.lake.access import uri
from lakefront.lake.tables import EVENTS

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def at(day: int, clock: str = "12:00:00") -> datetime:
    """A moment on the n-th day of the test's week (0 is Monday 2 March 2026)."""
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return MONDAY + timedelta(days=day, hours=hours, minutes=minutes, seconds=seconds)


class Trade:
    """Collects events and commits them to bronze as the lake writer does; positions and offsets count up."""

    def __init__(self, lake_uri: str) -> None:
        self.lake_uri = lake_uri
        self.pending: list[dict[str, Any]] = []
        self._offsets = itertools.count(1)
        self._recorded = itertools.count()

    def tell(
        self,
        data: EventData,
        occurred_at: datetime,
        *,
        sequence: int | None = None,
        user: UUID | None = None,
        event_id: UUID | None = None,
    ) -> UUID:
        """Add an event; returns its id. Events with a sequence are of the outbox, the others of the clickstream."""
        event_id = event_id or new_id()
        envelope = Envelope(
            event_id=event_id,
            event_type=data.event_type,
            occurred_at=occurred_at,
            recorded_at=MONDAY + timedelta(days=30, milliseconds=next(self._recorded)),
            source="tests",
            key=data.key,
            sequence=sequence,
            data=data.model_dump(mode="json"),
            metadata={"user": str(user)} if user else {},
        )
        self._row(envelope, "clicks" if sequence is None else "commerce")
        return event_id

    def tell_unknown(self, event_type: str, occurred_at: datetime) -> None:
        """Add an event of a type that no contract knows."""
        envelope = Envelope(
            event_id=new_id(), event_type=event_type, occurred_at=occurred_at, recorded_at=occurred_at, source="tests",
            key="x", data={"anything": 1},
        )  # fmt: skip
        self._row(envelope, "clicks")

    def _row(self, envelope: Envelope, stream: str) -> None:
        self.pending.append(
            {
                "event_id": str(envelope.event_id),
                "event_type": envelope.event_type,
                "occurred_at": envelope.occurred_at,
                "recorded_at": envelope.recorded_at,
                "source": envelope.source,
                "key": envelope.key,
                "sequence": envelope.sequence,
                "stream": stream,
                "partition": partition_of(envelope.key, 4),
                "offset": next(self._offsets),
                "payload": envelope.model_dump_json(),
                "written_at": envelope.recorded_at,
                "recorded_date": envelope.recorded_at.date(),
            }
        )

    def commit(self) -> None:
        """Append what was told to bronze, in one commit."""
        rows = pa.Table.from_pylist(self.pending, schema=EVENTS.schema)
        write_deltalake(uri(EVENTS, self.lake_uri), rows, mode="append", partition_by=list(EVENTS.partitioned_by))
        self.pending = []

    # -- facts of the trade ------------------------------------------------------------------------------------------

    def list_product(self, when: datetime, price: str = "10.00", stock: int = 100) -> UUID:
        """A new product with its first price and stock."""
        product_id = new_id()
        sku, amount = f"sku-{product_id.hex[-8:]}", Decimal(price)
        self.tell(
            ProductListed(
                product_id=product_id, sku=sku, title=f"Thing {sku}", category_id=new_id(), category_path="home/kitchen",
                brand="Acme", currency="USD", base_price=amount, price=amount, status="active",
            ),
            when, sequence=1,
        )  # fmt: skip
        self.change_price(product_id, when, price, base=price, reason="listing", sequence=1, previous=None)
        self.tell(
            StockChanged(
                stock_key=f"{sku}:main", sku=sku, product_id=product_id, warehouse="main", available=stock, change=stock,
                reason="receipt",
            ),
            when, sequence=1,
        )  # fmt: skip
        return product_id

    def change_price(
        self, product_id: UUID, when: datetime, price: str, *, base: str = "10.00", reason: str = "demand",
        sequence: int, previous: str | None = "10.00",
    ) -> None:  # fmt: skip
        self.tell(
            PriceChanged(
                product_id=product_id, currency="USD", base_price=Decimal(base),
                previous_price=Decimal(previous) if previous else None, price=Decimal(price),
                factor=float(Decimal(price) / Decimal(base)), reason=reason,  # type: ignore[arg-type]
            ),
            when, sequence=sequence,
        )  # fmt: skip

    def view(
        self, session: str, product_id: UUID, when: datetime, *, user: UUID | None = None, event_id: UUID | None = None
    ) -> UUID:
        return self.tell(
            ProductViewed(session=session, product_id=product_id, surface="home", position=3), when, user=user,
            event_id=event_id,
        )  # fmt: skip

    def add_to_cart(self, session: str, product_id: UUID, when: datetime, *, user: UUID | None = None) -> UUID:
        return self.tell(CartItemAdded(session=session, product_id=product_id, quantity=2), when, user=user)

    def order(
        self,
        when: datetime,
        lines: list[tuple[UUID, int, str]],
        *,
        user: UUID | None = None,
        session: str | None = None,
        status: str = "confirmed",
        channel: str = "shop",
        action: str = "allow",
    ) -> UUID:
        """A placed order with its verdict, payment and status. Lines are (product, quantity, unit price)."""
        order_id = new_id()
        made = [
            OrderLine(
                product_id=product_id, sku=f"sku-{product_id.hex[-8:]}", category_path="home/kitchen", quantity=quantity,
                unit_price=Decimal(price), total=Decimal(price) * quantity,
            )
            for product_id, quantity, price in lines
        ]  # fmt: skip
        total = sum((line.total for line in made), Decimal())
        self.tell(
            OrderPlaced(
                order_id=order_id, user=user, session=session, currency="USD", total=total, lines=made,
                channel=channel, device="d1", card="c1", address="a1", account_age_days=3.5,  # type: ignore[arg-type]
            ),
            when, sequence=1,
        )  # fmt: skip
        self.tell(
            FraudAssessed(
                decision_id=new_id(), model_version=None, features={"total": float(total)}, fallback="no_model",
                latency_ms=1.5, order_id=order_id, user=user, action=action, composite=0.1, rules=0.1,  # type: ignore[arg-type]
                model=None, external=None, reasons=[],
            ),
            when, sequence=1,
        )  # fmt: skip
        if status != "pending":
            self.change_status(order_id, when + timedelta(seconds=1), "pending", status, sequence=2)
        return order_id

    def change_status(self, order_id: UUID, when: datetime, previous: str, status: str, *, sequence: int) -> None:
        self.tell(
            OrderStatusChanged(order_id=order_id, user=None, previous=previous, status=status),  # type: ignore[arg-type]
            when, sequence=sequence,
        )  # fmt: skip

    def charge_back(self, order_id: UUID, when: datetime, amount: str) -> None:
        self.tell(
            PaymentChanged(
                payment_id=new_id(), order_id=order_id, user=None, status="charged_back", amount=Decimal(amount),
                currency="USD", gateway="sandbox",
            ),
            when, sequence=3,
        )  # fmt: skip

    def review(self, product_id: UUID, when: datetime, *, user: UUID) -> None:
        self.tell(
            ReviewChanged(
                review_id=new_id(), product_id=product_id, user=user, rating=4, previous=None, status="approved",
                is_public=True,
            ),
            when, sequence=1,
        )  # fmt: skip

    def recommend(self, session: str, product_ids: list[UUID], when: datetime) -> UUID:
        return self.tell(
            RecommendationServed(
                decision_id=new_id(), model_version="v1", features={}, fallback=None, latency_ms=0.8, user=None,
                session=session, surface="home", strategy="personal", product_ids=product_ids,
            ),
            when,
        )  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def spark_of_the_tests() -> Iterator[None]:
    """Nothing starts Spark until a test needs it; at the end the one session of the run is stopped."""
    yield
    from pipelines.spark import session

    session.stop()


@pytest.fixture(scope="session")
def new_trade() -> type[Trade]:
    """``new_trade(lake_uri)``: a trade that writes into that lake's bronze."""
    return Trade


@pytest.fixture(scope="session")
def moment() -> Callable[..., datetime]:
    """``moment(day, "HH:MM:SS")``: a time of the test's week, day 0 being Monday 2 March 2026."""
    return at


@pytest.fixture
def trade(lake_uri: str) -> Trade:
    """A trade into an empty lake of this test's own."""
    return Trade(lake_uri)
