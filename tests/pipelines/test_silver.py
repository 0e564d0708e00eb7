"""Bronze to silver: deduplicated, typed, sessionized, recomputed date by date, and the same from any way there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from lakefront.contracts.reviews import ReviewChanged
from lakefront.ids import new_id
from lakefront.lake import tables
from lakefront.lake.access import open_table, read
from lakefront.lake.tables import SILVER, Table
from pipelines.spark import progress, silver
from pipelines.spark.silver import SilverRun, update_silver

pytestmark = pytest.mark.spark


@dataclass
class Week:
    """A small week of trade after its first silver run, and the ids to ask for."""

    lake: str
    trade: Any
    run: SilverRun
    at: Any
    product: UUID
    user: UUID
    sold: UUID
    twice: UUID


@pytest.fixture(scope="module")
def first_week(tmp_path_factory: pytest.TempPathFactory, new_trade: Any, moment: Any) -> Week:
    """Sunday to Wednesday: clicks, a batch sent twice, a visit across midnight, an order, an event nobody knows."""
    lake = str(tmp_path_factory.mktemp("week") / "lake")
    trade, at = new_trade(lake), moment
    user = new_id()
    product = trade.list_product(at(0, "08:00:00"), "12.50")
    trade.view("session-monday", product, at(0, "10:00:00"), user=user)
    trade.view("session-monday", product, at(0, "10:29:59"))
    trade.view("session-monday", product, at(0, "11:15:00"))  # more than 30 minutes later: another visit
    trade.view("session-midnight", product, at(1, "23:50:00"))
    trade.view("session-midnight", product, at(2, "00:10:00"))
    trade.add_to_cart("session-midnight", product, at(2, "00:12:00"), user=user)
    twice = trade.view("session-twice", product, at(1, "23:59:59"))
    trade.view("session-twice", product, at(2, "00:00:01"), event_id=twice)  # sent again, a day later by its own time
    sold = trade.order(
        at(2, "09:00:00"), [(product, 3, "12.50"), (product, 1, "0.10")], user=user, session="session-order"
    )
    trade.recommend("session-monday", [product], at(0, "09:59:00"))
    trade.review(product, at(2, "12:00:00"), user=user)
    trade.tell_unknown("weather.rain.fell.v1", at(2))
    trade.tell_unknown("weather.rain.fell.v1", at(2))
    trade.commit()
    return Week(lake, trade, update_silver(lake), at, product, user, sold, twice)


@pytest.fixture
def week(first_week: Week, tmp_path: Path) -> Iterator[Week]:
    """A copy of the week that a test may change."""
    lake = str(tmp_path / "lake")
    shutil.copytree(first_week.lake, lake)
    kept, first_week.trade.lake_uri = first_week.trade.lake_uri, lake
    yield Week(**{**vars(first_week), "lake": lake})
    first_week.trade.lake_uri = kept
    first_week.trade.pending.clear()


def rows(table: Table, lake: str, where: Any = None) -> list[dict[str, Any]]:
    """Rows of a silver table in a stable order."""
    found = read(table, lake_uri=lake).to_pylist()
    return sorted((row for row in found if where is None or where(row)), key=lambda row: (row["occurred_at"], str(row)))


def contents(lake: str) -> dict[str, list[dict[str, Any]]]:
    return {table.name: rows(table, lake) for table in SILVER}


def files(table: Table, lake: str) -> set[str]:
    handle = open_table(table, lake)
    assert handle is not None
    return {Path(path).name for path in handle.file_uris()}


def test_every_table_has_the_columns_of_its_contract(first_week: Week) -> None:
    for table in SILVER:
        handle = open_table(table, first_week.lake)
        assert handle is not None
        found = pa.schema(handle.schema().to_arrow())
        assert found.names == table.schema.names, table.name
        assert [str(field.type) for field in found] == [
            str(field.type).replace("list<item:", "list<element:") for field in table.schema
        ], table.name
        assert handle.metadata().partition_columns == list(table.partitioned_by)


def test_an_event_that_came_twice_is_there_once_even_across_dates(first_week: Week) -> None:
    found = rows(tables.INTERACTIONS, first_week.lake, lambda row: row["event_id"] == str(first_week.twice))
    assert [row["occurred_at"] for row in found] == [first_week.at(1, "23:59:59")]


def test_unknown_types_are_counted_and_stay_in_bronze(first_week: Week) -> None:
    assert first_week.run.unknown_types == {"weather.rain.fell.v1": 2}
    runs = open_table(progress.RUNS, first_week.lake)
    assert runs is not None
    assert runs.to_pyarrow_table()["unknown_types"].to_pylist() == ['{"weather.rain.fell.v1": 2}']


def test_what_no_table_asks_for_stays_in_bronze_and_is_no_unknown(first_week: Week) -> None:
    told = read(tables.EVENTS, lake_uri=first_week.lake).to_pylist()
    (review,) = [row for row in told if row["event_type"] == ReviewChanged.event_type]
    assert ReviewChanged.event_type not in first_week.run.unknown_types
    for table in SILVER:
        assert review["event_id"] not in {row.get("event_id") for row in rows(table, first_week.lake)}, table.name


def test_orders_are_typed_to_the_cent(first_week: Week) -> None:
    [order] = rows(tables.ORDERS, first_week.lake)
    assert (order["order_id"], order["total"], order["currency"]) == (str(first_week.sold), Decimal("37.6000"), "USD")
    lines = rows(tables.ORDER_LINES, first_week.lake)
    assert sorted((line["line_number"], line["quantity"], line["total"]) for line in lines) == [
        (1, 3, Decimal("37.5000")), (2, 1, Decimal("0.1000")),
    ]  # fmt: skip
    [verdict] = rows(tables.FRAUD_DECISIONS, first_week.lake)
    assert (verdict["action"], verdict["fallback"], verdict["features"]) == ("allow", "no_model", '{"total":37.6}')


def test_bought_lines_are_interactions_of_the_buyer(first_week: Week) -> None:
    bought = rows(tables.INTERACTIONS, first_week.lake, lambda row: row["kind"] == "order")
    assert [(row["user"], row["session"], row["quantity"]) for row in bought] in (
        [(str(first_week.user), "session-order", 3), (str(first_week.user), "session-order", 1)],
        [(str(first_week.user), "session-order", 1), (str(first_week.user), "session-order", 3)],
    )


def test_half_an_hour_without_an_event_ends_a_session(first_week: Week) -> None:
    visits = rows(tables.SESSIONS, first_week.lake, lambda row: row["session"] == "session-monday")
    assert [(visit["occurred_at"], visit["events"], visit["user"]) for visit in visits] == [
        (first_week.at(0, "10:00:00"), 2, str(first_week.user)),
        (first_week.at(0, "11:15:00"), 1, None),
    ]
    assert visits[0]["session_id"] != visits[1]["session_id"]


def test_a_session_across_midnight_is_one_and_dated_by_its_start(first_week: Week) -> None:
    [visit] = rows(tables.SESSIONS, first_week.lake, lambda row: row["session"] == "session-midnight")
    assert visit["occurred_date"] == first_week.at(1).date()
    assert (visit["events"], visit["views"], visit["carts"]) == (3, 2, 1)
    assert visit["ended_at"] == first_week.at(2, "00:12:00")
    assert visit["user"] == str(first_week.user)


def test_an_order_counts_for_the_session_it_was_placed_in(first_week: Week) -> None:
    [visit] = rows(tables.SESSIONS, first_week.lake, lambda row: row["session"] == "session-order")
    assert visit["orders"] == 1


def test_nothing_new_changes_nothing_and_asks_spark_for_nothing(week: Week, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("a run without new events started Spark")

    monkeypatch.setattr(silver, "spark", refuse)
    before = {table.name: open_table(table, week.lake).version() for table in SILVER}  # type: ignore[union-attr]
    again = update_silver(week.lake)
    assert (again.events, again.tables) == (0, [])
    assert {table.name: open_table(table, week.lake).version() for table in SILVER} == before  # type: ignore[union-attr]


def test_a_late_event_recomputes_its_date_only_and_joins_sessions(week: Week) -> None:
    before_interactions, before_orders = files(tables.INTERACTIONS, week.lake), files(tables.ORDERS, week.lake)
    untouched = {name for name in before_interactions if name in _files_of(tables.INTERACTIONS, week, 1)}
    untouched |= _files_of(tables.INTERACTIONS, week, 2)
    week.trade.view("session-monday", week.product, week.at(0, "10:55:00"))  # bridges the two visits of Monday
    week.trade.commit()

    run = update_silver(week.lake)

    assert (run.dates, run.tables) == (1, ["interactions", "sessions"])
    after = files(tables.INTERACTIONS, week.lake)
    assert untouched <= after
    assert not _files_of(tables.INTERACTIONS, week, 0) & before_interactions
    assert files(tables.ORDERS, week.lake) == before_orders
    [visit] = rows(tables.SESSIONS, week.lake, lambda row: row["session"] == "session-monday")
    assert (visit["events"], visit["ended_at"]) == (4, week.at(0, "11:15:00"))


def _files_of(table: Table, week: Week, day: int) -> set[str]:
    handle = open_table(table, week.lake)
    assert handle is not None
    date = str(week.at(day).date())
    return {Path(path).name for path in handle.file_uris() if f"occurred_date={date}" in path}


def test_a_late_event_before_midnight_takes_the_session_from_the_next_date(week: Week) -> None:
    week.trade.view("session-order", week.product, week.at(2, "08:45:00"))
    week.trade.view("session-night", week.product, week.at(2, "00:05:00"))
    week.trade.commit()
    update_silver(week.lake)
    [visit] = rows(tables.SESSIONS, week.lake, lambda row: row["session"] == "session-night")
    assert visit["occurred_date"] == week.at(2).date()

    week.trade.view("session-night", week.product, week.at(1, "23:45:00"))  # late: the visit began the evening before
    week.trade.commit()
    update_silver(week.lake)

    [visit] = rows(tables.SESSIONS, week.lake, lambda row: row["session"] == "session-night")
    assert (visit["occurred_date"], visit["events"]) == (week.at(1).date(), 2)


def test_a_run_that_died_is_done_again_and_ends_as_a_rebuild_does(week: Week, monkeypatch: pytest.MonkeyPatch) -> None:
    week.trade.order(week.at(1, "15:00:00"), [(week.product, 2, "9.99")], user=week.user, session="session-late")
    week.trade.view("session-late", week.product, week.at(1, "14:50:00"))
    week.trade.commit()

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(progress, "record", die)
        with pytest.raises(KeyboardInterrupt):
            update_silver(week.lake)

    again = update_silver(week.lake)
    assert again.events == 4  # the same four are still new: placed, verdict, status and the view
    incremental = contents(week.lake)
    assert len(incremental["orders"]) == 2
    rebuilt = update_silver(week.lake, rebuild=True)
    assert rebuilt.rebuilt
    assert contents(week.lake) == incremental


def test_bronze_made_anew_rebuilds_silver(week: Week) -> None:
    shutil.rmtree(Path(week.lake) / "bronze")
    week.trade.view("session-anew", week.product, week.at(4))
    week.trade.commit()

    run = update_silver(week.lake)

    assert run.rebuilt
    assert [row["session"] for row in rows(tables.INTERACTIONS, week.lake)] == ["session-anew"]
    assert rows(tables.ORDERS, week.lake) == []
