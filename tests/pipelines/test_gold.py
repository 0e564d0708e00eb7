"""The marts: computed by dbt over a silver written here, published to Delta, held to the contracts and to the cent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lakefront.lake import tables
from lakefront.lake.access import read, replace
from lakefront.lake.tables import GOLD, SILVER, Table
from pipelines.business_time import NothingHappened, greatest_occurred_at
from pipelines.checks.lake import gold_equals_silver, marts_taken_at, silver_uniqueness, silver_values
from pipelines.dbt_project import MARTS_SCHEMA, scratch_file
from pipelines.gold import build_marts, publish_gold
from pipelines.spark.silver import ensure_tables


@dataclass
class Silver:
    """Collects silver rows and writes them by the contracts, as the Spark job would leave them."""

    lake: str
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    events: int = 0

    def add(self, table: Table, when: Any, **columns: Any) -> None:
        self.events += 1
        known = {
            "event_id": f"event-{self.events}",
            "occurred_at": when,
            "occurred_date": when.date(),
            "recorded_at": when,
        }
        self.rows.setdefault(table.name, []).append(known | columns)

    def write(self) -> None:
        ensure_tables(self.lake)
        for table in SILVER:
            if table.name in self.rows:
                replace(table, pa.Table.from_pylist(self.rows[table.name], schema=table.schema), self.lake)

    def product(
        self, when: Any, product: str, price: str, sequence: int = 1, status: str = "active", base: str = ""
    ) -> None:
        amount = Decimal(price)
        self.add(
            tables.PRODUCTS, when, product_id=product, sequence=sequence, sku=f"sku-{product}", title=product, brand="Acme",
            category_path="home/kitchen", currency="USD", base_price=Decimal(base or price), price=amount, status=status,
        )  # fmt: skip

    def price(self, when: Any, product: str, sequence: int, price: str, reason: str) -> None:
        self.add(
            tables.PRICES, when, product_id=product, sequence=sequence, currency="USD", base_price=Decimal("10"),
            price=Decimal(price), factor=float(price) / 10, reason=reason,
        )  # fmt: skip

    def stock(self, when: Any, product: str, warehouse: str, sequence: int, available: int) -> None:
        self.add(
            tables.STOCK, when, sku=f"sku-{product}", product_id=product, warehouse=warehouse, sequence=sequence,
            available=available, change=0, reason="receipt",
        )  # fmt: skip

    def view(self, when: Any, product: str, kind: str = "view") -> None:
        self.add(tables.INTERACTIONS, when, product_id=product, kind=kind, quantity=1, session="s")

    def visit(self, when: Any, session: str, orders: int) -> None:
        self.add(
            tables.SESSIONS, when, session_id=f"{session}-{when}", session=session, ended_at=when, events=1, views=1,
            carts=0, orders=orders,
        )  # fmt: skip

    def order(
        self, when: Any, order: str, lines: list[tuple[str, int, str]], statuses: list[str], **columns: Any
    ) -> None:
        total = sum((Decimal(amount) for _, _, amount in lines), Decimal())
        given = {
            "channel": "shop",
            "currency": "USD",
            "user": "ann",
            "device": "d",
            "card": "c",
            "address": "a",
        } | columns
        self.add(tables.ORDERS, when, order_id=order, total=total, **given)
        for number, (product, quantity, amount) in enumerate(lines, 1):
            self.add(
                tables.ORDER_LINES, when, order_id=order, line_number=number, product_id=product, sku=f"sku-{product}",
                category_path="home/kitchen", quantity=quantity, unit_price=Decimal(amount) / quantity,
                total=Decimal(amount), channel=given["channel"], user=given["user"],
            )  # fmt: skip
        for sequence, status in enumerate(statuses, 2):
            self.add(
                tables.ORDER_STATUSES, when + timedelta(minutes=sequence), order_id=order, sequence=sequence, status=status,
                previous="pending",
            )  # fmt: skip

    def verdict(self, when: Any, order: str, action: str, features: dict[str, float]) -> None:
        self.add(
            tables.FRAUD_DECISIONS, when, decision_id=f"decision-{order}", order_id=order, action=action, composite=0.1,
            rules=0.1, latency_ms=1.0, features=json.dumps(features),
        )  # fmt: skip

    def charge_back(self, when: Any, order: str) -> None:
        self.add(
            tables.PAYMENTS, when, payment_id=f"payment-{order}", sequence=3, order_id=order, status="charged_back",
            amount=Decimal("1"), currency="USD", gateway="sandbox",
        )  # fmt: skip


@dataclass
class Gold:
    """A lake whose gold was built and published, and its business time."""

    lake: str
    as_of: Any

    def rows(self, table: Table, **where: Any) -> list[dict[str, Any]]:
        found = read(table, lake_uri=self.lake).to_pylist()
        return [row for row in found if all(row[name] == value for name, value in where.items())]

    def row(self, table: Table, **where: Any) -> dict[str, Any]:
        [found] = self.rows(table, **where)
        return found


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory, moment: Any, settings_with: Callable[..., Any]) -> Iterator[Gold]:
    """Two products over two days: prices that move, sales that hold and sales that do not, a charge-back, an import."""
    home: Path = tmp_path_factory.mktemp("gold")
    lake = str(home / "lake")
    at, silver = moment, Silver(lake)
    silver.product(at(0, "00:00:00"), "pan", "10.00")
    silver.product(at(0, "00:00:00"), "pot", "20.00")
    silver.price(at(0, "06:00:00"), "pan", 2, "11.00", "demand")
    silver.price(at(0, "20:00:00"), "pan", 3, "12.00", "demand")
    silver.price(at(1, "01:00:00"), "pan", 4, "9.50", "exploration")
    silver.product(at(1, "02:00:00"), "pan", "9.50", 5, base="10.00")  # described anew while its price is on trial
    silver.product(at(0, "00:00:00"), "lid", "3.00")
    silver.product(at(1, "02:00:00"), "lid", "3.00", 2, "discontinued")
    silver.stock(at(0, "00:00:00"), "lid", "east", 1, 10)
    silver.stock(at(0, "00:00:00"), "pan", "east", 1, 50)
    silver.stock(at(0, "12:00:00"), "pan", "east", 2, 47)
    silver.stock(at(0, "00:00:00"), "pan", "west", 1, 5)
    silver.stock(at(2, "10:00:00"), "pan", "west", 2, 4)
    for clock in ("09:00:00", "10:00:00", "11:00:00"):
        silver.view(at(0, clock), "pan")
    silver.view(at(1, "09:00:00"), "pan")
    silver.view(at(1, "09:00:00"), "pan", "cart")
    silver.visit(at(0, "09:00:00"), "s", 1)
    silver.visit(at(0, "19:00:00"), "s", 0)
    silver.visit(at(0, "09:00:00"), "t", 0)
    silver.order(at(0, "12:00:00"), "held", [("pan", 3, "33.03"), ("pot", 1, "19.99")], ["confirmed", "delivered"])
    silver.order(at(0, "13:00:00"), "cancelled", [("pan", 1, "11.00")], ["confirmed", "cancelled"])
    silver.order(at(0, "14:00:00"), "declined", [("pan", 9, "99.00")], ["failed"], user="bob")
    silver.order(at(1, "12:00:00"), "pending", [("pot", 1, "20.00")], [])
    silver.order(at(1, "12:00:00"), "imported", [("pot", 2, "40.10")], ["delivered"], channel="import", user=None)
    silver.order(at(2, "12:00:00"), "later", [("pot", 1, "20.00")], ["confirmed"])  # after as_of
    silver.verdict(at(0, "12:00:00"), "held", "allow", {"total": 53.02})
    silver.verdict(at(0, "14:00:00"), "declined", "decline", {})
    silver.charge_back(at(1, "18:00:00"), "held")
    silver.write()
    with settings_with(LAKEFRONT_HOME=str(home), LAKEFRONT_LAKE_URL=lake):
        as_of = at(1, "23:59:59")
        build_marts(as_of)
        publish_gold()
        yield Gold(lake, as_of)


def test_the_marts_have_exactly_the_columns_of_the_contract(gold: Gold) -> None:
    with duckdb.connect(str(scratch_file()), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in GOLD:
            found = connection.table(f"{MARTS_SCHEMA}.{table.name}").to_arrow_table().schema
            assert found.names == table.schema.names, table.name
            for name in table.schema.names:
                wanted, given = table.schema.field(name).type, found.field(name).type
                assert given == wanted or (pa.types.is_decimal(wanted) and given.scale == wanted.scale), (
                    table.name,
                    name,
                )


def test_published_gold_is_of_the_contract(gold: Gold) -> None:
    for table in GOLD:
        assert read(table, lake_uri=gold.lake).schema == table.schema


def test_all_placed_orders_count_and_sales_are_those_that_hold(gold: Gold) -> None:
    orders = {row["order_id"]: (row["status"], row["is_sale"]) for row in gold.rows(tables.GOLD_ORDERS)}
    assert orders == {
        "held": ("delivered", True),
        "cancelled": ("cancelled", False),
        "declined": ("failed", False),
        "pending": ("pending", False),
        "imported": ("delivered", True),
    }


def test_an_order_carries_what_became_known_of_it(gold: Gold, moment: Any) -> None:
    held = gold.row(tables.GOLD_ORDERS, order_id="held")
    assert (held["total"], held["lines"], held["units"]) == (Decimal("53.0200"), 2, 4)
    assert (held["charged_back_at"], held["fraud_action"]) == (moment(1, "18:00:00"), "allow")
    assert gold.row(tables.GOLD_ORDERS, order_id="pending")["fraud_action"] is None


def test_revenue_is_the_same_to_the_cent_everywhere(gold: Gold) -> None:
    finding = gold_equals_silver(gold.as_of, gold.lake)
    assert finding.holds, finding.figures
    assert finding.figures["revenue_orders"] == finding.figures["revenue_product_days"] == "93.12"
    assert marts_taken_at(gold.lake) == gold.as_of


def test_a_cent_that_is_lost_is_found(gold: Gold, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    for table in (*SILVER, *GOLD):
        replace(table, read(table, lake_uri=gold.lake), lake)
    days = read(tables.GOLD_DAYS, lake_uri=lake).to_pylist()
    days[0]["revenue"] -= Decimal("0.01")
    replace(tables.GOLD_DAYS, pa.Table.from_pylist(days, schema=tables.GOLD_DAYS.schema), lake)
    assert not gold_equals_silver(gold.as_of, lake).holds


def test_a_product_day_has_the_price_that_held_longest(gold: Gold, moment: Any) -> None:
    monday = gold.row(tables.GOLD_PRODUCT_DAYS, product_id="pan", day=moment(0).date())
    assert (monday["price"], monday["is_exploration"]) == (Decimal("11.0000"), False)
    tuesday = gold.row(tables.GOLD_PRODUCT_DAYS, product_id="pan", day=moment(1).date())
    assert (tuesday["price"], tuesday["is_exploration"]) == (Decimal("9.5000"), True)
    assert gold.row(tables.GOLD_PRODUCT_DAYS, product_id="pot", day=moment(0).date())["price"] == Decimal("20.0000")


def test_a_product_day_without_a_sale_is_there(gold: Gold, moment: Any) -> None:
    tuesday = gold.row(tables.GOLD_PRODUCT_DAYS, product_id="pan", day=moment(1).date())
    assert (tuesday["views"], tuesday["carts"], tuesday["units"], tuesday["revenue"]) == (1, 1, 0, Decimal("0.0000"))


def test_a_product_day_counts_sales_only(gold: Gold, moment: Any) -> None:
    monday = gold.row(tables.GOLD_PRODUCT_DAYS, product_id="pan", day=moment(0).date())
    assert (monday["views"], monday["units"], monday["orders"], monday["revenue"]) == (3, 3, 1, Decimal("33.0300"))


def test_stock_is_that_of_the_days_end_in_all_warehouses(gold: Gold, moment: Any) -> None:
    for day in (0, 1):
        assert gold.row(tables.GOLD_PRODUCT_DAYS, product_id="pan", day=moment(day).date())["available"] == 52
    assert gold.row(tables.GOLD_PRODUCT_DAYS, product_id="pot", day=moment(1).date())["available"] is None
    assert gold.row(tables.GOLD_PRODUCTS, product_id="pan")["available"] == 52


def test_products_are_as_they_are_now(gold: Gold) -> None:
    pan = gold.row(tables.GOLD_PRODUCTS, product_id="pan")
    assert (pan["price"], pan["base_price"], pan["views_30d"], pan["units_30d"]) == (
        Decimal("9.5000"), Decimal("10.0000"), 4, 3,
    )  # fmt: skip


def test_what_is_not_for_sale_counts_as_no_stock(gold: Gold) -> None:
    assert gold.row(tables.GOLD_PRODUCTS, product_id="lid")["available"] == 0


def test_days_count_visits_and_verdicts(gold: Gold, moment: Any) -> None:
    monday = gold.row(tables.GOLD_DAYS, day=moment(0).date())
    assert (monday["orders"], monday["revenue"], monday["units"]) == (3, Decimal("53.0200"), 4)
    assert (monday["visitors"], monday["sessions"], monday["buying_sessions"], monday["views"]) == (2, 3, 1, 3)
    assert monday["conversion"] == pytest.approx(1 / 3)
    assert (monday["declined"], monday["reviewed"]) == (1, 0)


def test_customers_are_judged_by_their_sales(gold: Gold, moment: Any) -> None:
    ann, bob = (gold.row(tables.GOLD_CUSTOMERS, user=user) for user in ("ann", "bob"))
    assert (ann["orders"], ann["spend"], ann["chargebacks"]) == (1, Decimal("53.0200"), 1)
    assert (ann["first_order_at"], ann["last_order_at"], ann["as_of"]) == (
        moment(0, "12:00:00"), moment(1, "12:00:00"), gold.as_of,
    )  # fmt: skip
    assert (bob["orders"], bob["spend"], bob["average_order_value"]) == (0, Decimal("0.0000"), None)


def test_fraud_labels_are_of_the_shops_own_orders(gold: Gold, moment: Any) -> None:
    labels = {row["order_id"]: row for row in gold.rows(tables.GOLD_FRAUD_LABELS)}
    assert set(labels) == {"held", "cancelled", "declined", "pending"}
    assert json.loads(labels["held"]["features"]) == {"total": 53.02}
    assert labels["held"]["charged_back_at"] == moment(1, "18:00:00")
    assert labels["declined"]["features"] is None  # decided without features
    assert {order for order, row in labels.items() if row["is_sale"]} == {"held"}


def test_the_silver_checks_hold_and_find_what_is_wrong(gold: Gold, tmp_path: Path) -> None:
    assert silver_uniqueness(gold.lake).holds
    assert silver_values(gold.lake).holds
    lake = str(tmp_path / "lake")
    for table in SILVER:
        replace(table, read(table, lake_uri=gold.lake), lake)
    orders = read(tables.ORDERS, lake_uri=lake)
    replace(tables.ORDERS, pa.concat_tables([orders, orders.slice(0, 1)]), lake)
    statuses = read(tables.ORDER_STATUSES, lake_uri=lake).to_pylist()
    statuses[0]["status"] = "teleported"
    replace(tables.ORDER_STATUSES, pa.Table.from_pylist(statuses, schema=tables.ORDER_STATUSES.schema), lake)
    assert silver_uniqueness(lake).figures["orders"] == 1
    assert silver_values(lake).figures["order_statuses.status"] == 1


def test_business_time_is_the_newest_in_silver(gold: Gold, moment: Any, tmp_path: Path) -> None:
    assert greatest_occurred_at(gold.lake) == moment(2, "12:02:00")
    with pytest.raises(NothingHappened):
        greatest_occurred_at(str(tmp_path / "nothing"))
