"""Bronze against the core, bronze against itself, and its housekeeping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pyarrow as pa
import pytest

from lakefront.ids import new_id
from lakefront.lake.access import open_table, read, replace
from lakefront.lake.tables import EVENTS, GOLD_ORDERS
from pipelines.checks.lake import bronze_freshness, bronze_uniqueness
from pipelines.checks.reconciliation import CoreDatabaseUnreachable, reconcile
from pipelines.compaction import WORTHWHILE_FILES, compact_closed_dates
from pipelines.spark.progress import changes_since

CORE_ORDER = """
INSERT INTO orders (id, status, currency, total, placed_at, updated_at) VALUES (%s, %s, %s, %s, %s, %s)
"""
WAITING = "INSERT INTO outbox (partition, envelope) VALUES (0, %s)"


@pytest.fixture
def core(new_database: Callable[..., str], migrated_template: str, settings_with: Any) -> Iterator[psycopg.Connection]:
    """A core's database of this test's own."""
    url = new_database(migrated_template)
    with settings_with(LAKEFRONT_DATABASE_URL=url), psycopg.connect(url, autocommit=True) as connection:
        yield connection


def take(
    core: psycopg.Connection,
    order_id: UUID,
    when: Any,
    total: str = "12.50",
    status: str = "confirmed",
    currency: str = "USD",
) -> None:
    core.execute(CORE_ORDER, [order_id, status, currency, Decimal(total), when, when])


def gold_of(rows: list[tuple[UUID, str, bool]], when: Any) -> None:
    """Publish these orders (id, total, is_sale) as gold."""
    found = [
        {"order_id": str(order), "currency": "USD", "total": Decimal(total), "is_sale": is_sale, "placed_at": when}
        for order, total, is_sale in rows
    ]
    replace(GOLD_ORDERS, pa.Table.from_pylist(found, schema=GOLD_ORDERS.schema))


def test_the_same_orders_everywhere_reconcile(core: psycopg.Connection, trade: Any, moment: Any) -> None:
    sold = trade.order(moment(0), [(new_id(), 1, "12.50")])
    lost = trade.order(moment(0), [(new_id(), 1, "7.00")], status="cancelled")
    trade.commit()
    take(core, sold, moment(0))
    take(core, lost, moment(0), "7.00", "cancelled")
    gold_of([(sold, "12.50", True), (lost, "7.00", False)], moment(0))
    found = reconcile()
    assert found.bronze_holds and found.gold_holds
    assert (found.orders_core, found.orders_bronze, found.orders_gold, found.duplicates_bronze) == (2, 2, 2, 0)
    assert found.revenue_core == found.revenue_gold == {"USD": "12.50"}


def test_revenue_is_compared_in_each_currency(core: psycopg.Connection, trade: Any, moment: Any) -> None:
    """The same number in another currency is not the same amount, and no sum of both hides it."""
    orders = [trade.order(moment(0), [(new_id(), 1, "12.50")]) for _ in range(2)]
    trade.commit()
    take(core, orders[0], moment(0))
    take(core, orders[1], moment(0), currency="GBP")
    gold_of([(order, "12.50", True) for order in orders], moment(0))
    found = reconcile()
    assert (found.revenue_core, found.revenue_gold) == ({"GBP": "12.50", "USD": "12.50"}, {"USD": "25.00"})
    assert found.different_in_gold == [str(orders[1])]
    assert not found.gold_holds
    document = found.as_dict()
    assert (document["currency"], document["revenue_by_currency"]["GBP"]) == ("USD", {"core": "12.50", "gold": "0.00"})


def test_an_order_that_never_arrived_is_named(core: psycopg.Connection, trade: Any, moment: Any) -> None:
    trade.order(moment(0), [(new_id(), 1, "12.50")])
    trade.commit()
    missing = new_id()
    take(core, missing, moment(0))
    found = reconcile()
    assert found.missing_in_bronze == [str(missing)]
    assert len(found.unknown_in_core) == 1
    assert not found.bronze_holds


def test_an_order_that_waits_in_the_outbox_is_not_missing(core: psycopg.Connection, trade: Any, moment: Any) -> None:
    trade.view("session-x", trade.list_product(moment(0)), moment(0))
    trade.commit()
    waiting = new_id()
    take(core, waiting, moment(0))
    core.execute(WAITING, [f'{{"key": "{waiting}"}}'])
    found = reconcile()
    assert found.bronze_holds
    assert (found.orders_core, found.orders_bronze, found.orders_waiting) == (1, 0, 1)


def test_a_total_that_differs_in_gold_is_named(core: psycopg.Connection, trade: Any, moment: Any) -> None:
    sold = trade.order(moment(0), [(new_id(), 1, "12.50")])
    trade.commit()
    take(core, sold, moment(0))
    gold_of([(sold, "12.49", True)], moment(0))
    found = reconcile()
    assert found.different_in_gold == [str(sold)]
    assert not found.gold_holds


def test_a_database_that_is_away_is_said(lake_uri: str, settings_with: Any) -> None:
    with (
        settings_with(LAKEFRONT_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"),
        pytest.raises(CoreDatabaseUnreachable),
    ):
        reconcile()


def test_an_event_that_is_twice_in_bronze_is_counted(trade: Any, moment: Any) -> None:
    trade.order(moment(0), [(new_id(), 1, "12.50")])
    trade.commit()
    assert bronze_uniqueness().holds
    rows = read(EVENTS)
    replace(EVENTS, pa.concat_tables([rows, rows.slice(0, 1)]))
    assert bronze_uniqueness().figures == {"outbox_events_twice": 1, "places_twice": 1}


def test_a_click_sent_twice_is_no_fault_of_bronze(trade: Any, moment: Any) -> None:
    product = trade.list_product(moment(0))
    event_id = trade.view("session-x", product, moment(0))
    trade.view("session-x", product, moment(0), event_id=event_id)
    trade.commit()
    assert bronze_uniqueness().holds  # it has a place of its own on the bus; silver removes it


def test_freshness_is_of_the_last_commit(trade: Any, moment: Any) -> None:
    assert not bronze_freshness(timedelta(hours=1)).holds
    trade.view("session-x", trade.list_product(moment(0)), moment(0))
    trade.commit()
    written = max(read(EVENTS, ["written_at"])["written_at"].to_pylist())
    assert bronze_freshness(timedelta(hours=1), now=written + timedelta(minutes=59)).holds
    assert not bronze_freshness(timedelta(hours=1), now=written + timedelta(minutes=61)).holds


def test_closed_dates_are_compacted_and_silver_sees_nothing_new(trade: Any, moment: Any) -> None:
    for number in range(WORTHWHILE_FILES):
        trade.view(f"session-{number}", trade.list_product(moment(0)), moment(0))
        trade.commit()
    before = read(EVENTS).sort_by("offset")
    [recorded] = set(before["recorded_date"].to_pylist())
    version = open_table(EVENTS).version()  # type: ignore[union-attr]

    assert compact_closed_dates(today=recorded) == ([], 0, 0)  # still open
    assert compact_closed_dates(today=recorded + timedelta(days=1)) == ([str(recorded)], WORTHWHILE_FILES, 1)

    bronze = open_table(EVENTS)
    assert bronze is not None
    assert len(bronze.file_uris()) == 1
    assert read(EVENTS).sort_by("offset").equals(before)
    assert changes_since(bronze, version).events == 0
    assert changes_since(bronze, None).events == before.num_rows


def test_new_files_tell_types_and_dates(trade: Any, moment: Any) -> None:
    product = trade.list_product(moment(0))
    trade.commit()
    version = open_table(EVENTS).version()  # type: ignore[union-attr]
    trade.view("session-x", product, moment(2, "23:59:59"))
    trade.view("session-x", product, moment(3, "00:00:00"))
    trade.commit()
    bronze = open_table(EVENTS)
    assert bronze is not None
    changes = changes_since(bronze, version)
    assert changes.counts == {
        ("storefront.product.viewed.v1", date(2026, 3, 4)): 1, ("storefront.product.viewed.v1", date(2026, 3, 5)): 1,
    }  # fmt: skip
    assert (changes.since, changes.through) == (version, bronze.version())


def test_a_log_that_was_cut_means_everything_anew(trade: Any, moment: Any) -> None:
    for number in range(3):
        trade.view(f"session-{number}", trade.list_product(moment(0)), moment(0))
        trade.commit()
    bronze = open_table(EVENTS)
    assert bronze is not None
    bronze.create_checkpoint()
    from pathlib import Path

    Path(trade.lake_uri, "bronze/events/_delta_log", f"{1:020d}.json").unlink()
    changes = changes_since(open_table(EVENTS) or bronze, 0)
    assert changes.since is None
    assert changes.events == read(EVENTS).num_rows
