"""Bronze to silver: the occurred dates that new events touch are computed anew and replaced, table by table.

One path for new events, late events, crashes and backfills: recomputing a date gives the same rows every time. Bronze is read
once; a run that ends half-way leaves its record unwritten, so the next one does the same dates again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from deltalake import DeltaTable

from lakefront.clock import real_now
from lakefront.contracts import EVENT_TYPES
from lakefront.contracts.commerce import (
    OrderPlaced,
    OrderStatusChanged,
    PaymentChanged,
    PriceChanged,
    ProductListed,
    StockChanged,
)
from lakefront.contracts.decisions import FraudAssessed, RecommendationServed
from lakefront.contracts.storefront import CartItemAdded, ProductViewed
from lakefront.lake import tables
from lakefront.lake.access import open_table, uri
from lakefront.lake.tables import EVENTS, SILVER, Table
from pipelines.spark import deciding, offering, progress, selling, shopping
from pipelines.spark.progress import RUNS, Changes
from pipelines.spark.reading import by_contract
from pipelines.spark.session import spark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

WRITERS = 2
"""Tables written at the same time, so that one computes while the other commits."""


@dataclass(frozen=True)
class Derivation:
    """How a silver table comes from events: which types feed it, and how many neighbouring dates a new event can change."""

    table: Table
    parse: Callable[[DataFrame], DataFrame]
    event_types: frozenset[str]
    reach_days: int = 0


def _types(*models: type) -> frozenset[str]:
    return frozenset(str(model.event_type) for model in models)  # type: ignore[attr-defined]


DERIVATIONS: tuple[Derivation, ...] = (
    Derivation(tables.INTERACTIONS, shopping.interactions, _types(ProductViewed, CartItemAdded, OrderPlaced)),
    Derivation(
        tables.SESSIONS, shopping.sessions, frozenset([*shopping.CLICKSTREAM, OrderPlaced.event_type]), reach_days=1
    ),
    Derivation(tables.ORDERS, selling.orders, _types(OrderPlaced)),
    Derivation(tables.ORDER_LINES, selling.order_lines, _types(OrderPlaced)),
    Derivation(tables.ORDER_STATUSES, selling.order_statuses, _types(OrderStatusChanged)),
    Derivation(tables.PAYMENTS, selling.payments, _types(PaymentChanged)),
    Derivation(tables.PRODUCTS, offering.products, _types(ProductListed)),
    Derivation(tables.PRICES, offering.prices, _types(PriceChanged)),
    Derivation(tables.STOCK, offering.stock, _types(StockChanged)),
    Derivation(tables.FRAUD_DECISIONS, deciding.fraud_decisions, _types(FraudAssessed)),
    Derivation(tables.RECOMMENDATIONS, deciding.recommendations, _types(RecommendationServed)),
)


@dataclass
class SilverRun:
    """What a run did."""

    bronze_version: int | None = None
    events: int = 0
    dates: int = 0
    tables: list[str] = field(default_factory=list)
    unknown_types: dict[str, int] = field(default_factory=dict)
    rebuilt: bool = False
    seconds: float = 0.0


def update_silver(lake_uri: str | None = None, *, rebuild: bool = False) -> SilverRun:
    """Bring silver up to bronze. Without new events it does nothing and starts no Spark; ``rebuild`` computes all anew."""
    started = time.monotonic()
    ensure_tables(lake_uri)
    bronze = open_table(EVENTS, lake_uri)
    if bronze is None:
        return SilverRun()
    changes = progress.changes_since(bronze, None if rebuild else progress.last_version(bronze, lake_uri))
    run = SilverRun(changes.through, changes.events, len(changes.dates()), rebuilt=changes.since is None)
    run.unknown_types = _unknown(changes)
    if changes.since == changes.through:
        return run
    work = _work(changes, lake_uri)
    if work:
        _recompute(work, changes, lake_uri)
    run.tables = [derivation.table.name for derivation, _ in work]
    run.seconds = time.monotonic() - started
    progress.record(bronze, changes, run.unknown_types, real_now(), run.seconds, lake_uri)
    return run


def ensure_tables(lake_uri: str | None = None) -> None:
    """Create the silver tables that do not exist, empty, by their contracts: every reader finds them from the start."""
    for table in (*SILVER, RUNS):
        if open_table(table, lake_uri) is None:
            DeltaTable.create(
                uri(table, lake_uri), table.schema, mode="ignore", partition_by=list(table.partitioned_by) or None
            )


def _unknown(changes: Changes) -> dict[str, int]:
    """Events of types that have no contract: they stay in bronze, counted."""
    unknown: dict[str, int] = {}
    for (event_type, _), count in changes.counts.items():
        if event_type not in EVENT_TYPES:
            unknown[event_type] = unknown.get(event_type, 0) + count
    return unknown


def _work(changes: Changes, lake_uri: str | None) -> list[tuple[Derivation, set[date]]]:
    """The tables that new events touch, and the dates of each."""
    work = []
    for derivation in DERIVATIONS:
        dates = _with_neighbours(changes.dates(derivation.event_types), derivation.reach_days)
        if dates or (changes.since is None and _has_rows(derivation.table, lake_uri)):
            work.append((derivation, dates))
    return work


def _has_rows(table: Table, lake_uri: str | None) -> bool:
    """True when a table has files, which a rebuild must replace even where bronze has nothing for it."""
    handle = open_table(table, lake_uri)
    return handle is not None and bool(handle.file_uris())


def _recompute(work: list[tuple[Derivation, set[date]]], changes: Changes, lake_uri: str | None) -> None:
    """Read the dates once, then write the tables, a few at a time."""
    types = frozenset().union(*(derivation.event_types for derivation, _ in work))
    dates: set[date] = set().union(*(dates for _, dates in work))
    events = _events(types, _with_neighbours(dates, 1), lake_uri).persist()

    def write(derivation: Derivation, dates: set[date]) -> None:
        rows = by_contract(derivation.parse(events), derivation.table)
        _write(rows, derivation.table, None if changes.since is None else dates, lake_uri)

    try:
        with ThreadPoolExecutor(WRITERS) as pool:
            for future in [pool.submit(write, derivation, dates) for derivation, dates in work]:
                future.result()
    finally:
        events.unpersist()


def _events(types: frozenset[str], dates: set[date], lake_uri: str | None) -> DataFrame:
    """Events of these types and dates, each event id once: the one that was recorded first.

    What was appended after the run began may be among them; its dates are recomputed by the next run all the same.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    rows = (
        spark().read.format("delta").load(uri(EVENTS, lake_uri))
        .where(f.col("event_type").isin(sorted(types)))
        .where(f.col("occurred_at") >= f.lit(min(dates, default=date.max)))  # this one is held against the files' statistics
        .where(_in_dates("to_date(occurred_at)", dates))
    )  # fmt: skip
    first = Window.partitionBy("event_id").orderBy("recorded_at", "stream", "partition", "offset")
    return (
        rows.withColumn("copy", f.row_number().over(first))
        .where("copy = 1")
        .select(
            "event_id", "event_type", "occurred_at", "recorded_at", "key", "sequence", "payload",
            f.to_date("occurred_at").alias("occurred_date"),
        )
    )  # fmt: skip


def _write(rows: DataFrame, table: Table, dates: set[date] | None, lake_uri: str | None) -> None:
    """Replace the dates of a table (None: all of it), one file a date where the date is not large."""
    where = None if dates is None else _in_dates("occurred_date", dates)
    chosen = rows if where is None else rows.where(where)
    writer = chosen.hint("rebalance", "occurred_date").write.format("delta").mode("overwrite")
    if where is not None:
        writer = writer.option("replaceWhere", where)
    writer.save(uri(table, lake_uri))


def _with_neighbours(dates: Iterable[date], days: int) -> set[date]:
    return {day + timedelta(days=step) for day in dates for step in range(-days, days + 1)}


def _in_dates(column: str, dates: Iterable[date]) -> str:
    """A condition that holds on exactly these dates, written as ranges: a year of them stays one term."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(dates):
        if ranges and day - ranges[-1][1] == timedelta(days=1):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    # not BETWEEN: Spark 4.2 cannot resolve its form of it inside replaceWhere
    terms = [f"({column} >= DATE'{first}' AND {column} <= DATE'{last}')" for first, last in ranges]
    return " OR ".join(terms) if terms else "false"
