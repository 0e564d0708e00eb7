"""What the report says, measured: reconciliation, latencies, fraud scores against the hidden truth, price proposals."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import duckdb
import numpy as np
import psycopg
import pyarrow as pa

from lakefront.artefacts import ModelStore
from lakefront.clock import real_now
from lakefront.lake import access, tables
from lakefront.money import amounts_text, compared_by_currency, money_text
from lakefront.settings import settings
from models.recommendation.score import RecommendationModel

SALES = ("confirmed", "processing", "shipped", "delivered")

CORE_ORDERS = """
SELECT currency, count(*), sum(total) FILTER (WHERE status = ANY(%(sales)s))
  FROM orders WHERE placed_at <= %(as_of)s GROUP BY currency
"""
OUTBOX_LEFT = "SELECT count(*) FROM outbox"

BRONZE_ORDERS = """
SELECT count(DISTINCT key) FROM bronze_events WHERE event_type = 'commerce.order.placed.v1' AND occurred_at <= ?
"""
GOLD_ORDERS = """
SELECT currency, count(*), sum(total) FILTER (WHERE is_sale) FROM gold_orders WHERE placed_at <= ? GROUP BY currency
"""
GOLD_NEWEST = "SELECT max(placed_at) FROM gold_orders"
GOLD_DAYS = "SELECT min(day), max(day), count(*) FROM gold_days"
BRONZE_CLICKS = """
SELECT count(DISTINCT event_id) FROM bronze_events WHERE event_type LIKE 'storefront.%' AND starts_with(key, ?)
"""
DUPLICATES = """
SELECT (SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM bronze_events WHERE stream = 'commerce'
         GROUP BY event_id HAVING count(*) > 1))
     + (SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM bronze_events
         GROUP BY stream, "partition", "offset" HAVING count(*) > 1))
"""
CLICK_TO_BRONZE = """
SELECT quantile_cont(date_diff('microsecond', recorded_at, written_at) / 1000.0, 0.95) FROM bronze_events
 WHERE event_type LIKE 'storefront.%' AND recorded_at BETWEEN ? AND ?
"""
DECISION_LATENCY = """
SELECT quantile_cont(CAST(payload ->> '$.data.latency_ms' AS DOUBLE), 0.99), count(*) FROM bronze_events
 WHERE event_type = ? AND recorded_at BETWEEN ? AND ?
"""
FALLBACKS = """
SELECT event_type, payload ->> '$.data.fallback' AS reason, count(*) AS decisions
  FROM bronze_events
 WHERE event_type IN ('decisions.recommendation.served.v1', 'decisions.fraud.assessed.v1')
   AND recorded_at BETWEEN ? AND ?
 GROUP BY 1, 2
"""
FRAUD_SCORES_AND_TRUTH = """
WITH scores AS (
    SELECT payload ->> '$.data.order_id' AS order_id, CAST(payload ->> '$.data.model' AS DOUBLE) AS model,
           payload ->> '$.data.action' AS action
      FROM bronze_events
     WHERE event_type = 'decisions.fraud.assessed.v1' AND recorded_at BETWEEN ? AND ?
)
SELECT s.model, s.action, t.is_fraud FROM scores s JOIN truth t USING (order_id)
 WHERE s.model IS NOT NULL AND t.card_works
"""
BEGINNING_OF_TIME = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
END_OF_TIME = datetime.fromisoformat("9999-01-01T00:00:00+00:00")


class NotCaughtUp(RuntimeError):
    """Events did not reach bronze in the time that the design allows many times over."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of real time under traffic."""

    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Orders, revenue (by currency) and events as each station has them."""

    orders_core: int
    orders_bronze: int
    orders_gold: int
    revenue_core: dict[str, str]
    revenue_gold: dict[str, str]
    events_accepted: int
    events_bronze: int
    duplicates_bronze: int

    def faults(self) -> list[str]:
        """What does not agree, in words."""
        found = []
        if not self.orders_core == self.orders_bronze == self.orders_gold:
            found.append(f"orders: core {self.orders_core}, bronze {self.orders_bronze}, gold {self.orders_gold}")
        if self.revenue_core != self.revenue_gold:
            found.append(f"revenue: core {amounts_text(self.revenue_core)}, gold {amounts_text(self.revenue_gold)}")
        if self.events_accepted != self.events_bronze:
            found.append(f"clicks: accepted {self.events_accepted}, bronze {self.events_bronze}")
        if self.duplicates_bronze:
            found.append(f"{self.duplicates_bronze} rows stand twice in bronze")
        return found

    def as_document(self) -> dict[str, Any]:
        """As the report's JSON carries it."""
        return asdict(self) | compared_by_currency(self.revenue_core, self.revenue_gold)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds. The percentiles of the report."""

    click_to_feature_p95: float
    click_to_bronze_p95: float
    recommendation_p99: float
    fraud_p99: float


@dataclass(frozen=True, slots=True)
class FraudFigures:
    """How well the shop tells frauds, on orders placed after its model was trained."""

    orders: int
    frauds: int
    auc: float
    average_precision: float
    declined: int
    """Orders, honest ones too."""
    frauds_declined: int = 0
    frauds_held: int = 0
    """Frauds that a person was asked about."""

    @property
    def frauds_in_words(self) -> str:
        """What became of the frauds at checkout."""
        return f"{self.frauds_declined} declined, {self.frauds_held} held for a person, {self.frauds_let_through} let through"

    @property
    def frauds_let_through(self) -> int:
        return self.frauds - self.frauds_declined - self.frauds_held


@dataclass(frozen=True, slots=True)
class BusinessDays:
    """The days of trade in gold, by the shop's own clock, which a simulation moves ahead of the calendar."""

    first: date
    last: date
    days: int
    simulated: bool

    def __str__(self) -> str:
        return f"{self.first:%d %b %Y} – {self.last:%d %b %Y}"


def lake() -> duckdb.DuckDBPyConnection:
    """Bronze events, gold orders and days as they stand now."""
    return access.connect([tables.EVENTS, tables.GOLD_ORDERS, tables.GOLD_DAYS])


async def wait_for_bronze(clicks: int, prefix: str, seconds: float = 90.0) -> float:
    """Wait until the outbox is empty (rows leave it when bronze has them) and all clicks are there. Raises NotCaughtUp."""
    began = time.monotonic()
    while True:
        left, arrived = await asyncio.to_thread(_still_under_way, prefix)
        if left == 0 and arrived >= clicks:
            return time.monotonic() - began
        if time.monotonic() - began > seconds:
            raise NotCaughtUp(
                f"after {seconds:g} s {left} outbox rows and {clicks - arrived} of {clicks} clicks are not in bronze yet: "
                "look at `lakefront logs relay` and `lakefront logs lake-writer`"
            )
        await asyncio.sleep(0.5)


def _still_under_way(prefix: str) -> tuple[int, int]:
    with psycopg.connect(settings().database_url, autocommit=True) as core:
        left = int(_row(core.execute(OUTBOX_LEFT).fetchone())[0])
    if left:
        return left, 0
    with lake() as connection:
        return left, int(_row(connection.execute(BRONZE_CLICKS, [prefix]).fetchone())[0])


def reconcile(accepted: int, prefix: str, *, up_to_gold: bool) -> Reconciliation:
    """Compare the stations. ``up_to_gold``: of orders, only those placed until the newest that gold has."""
    with lake() as connection:
        as_of = END_OF_TIME
        if up_to_gold:
            as_of = _row(connection.execute(GOLD_NEWEST).fetchone())[0] or END_OF_TIME
        orders_gold, revenue_gold = _by_currency(connection.execute(GOLD_ORDERS, [as_of]).fetchall())
        orders_bronze = _row(connection.execute(BRONZE_ORDERS, [as_of]).fetchone())[0]
        clicks = _row(connection.execute(BRONZE_CLICKS, [prefix]).fetchone())[0]
        duplicates = _row(connection.execute(DUPLICATES).fetchone())[0]
    with psycopg.connect(settings().database_url) as core:
        found = core.execute(CORE_ORDERS, {"sales": list(SALES), "as_of": as_of}).fetchall()
        orders_core, revenue_core = _by_currency(found)
    return Reconciliation(
        orders_core, int(orders_bronze), orders_gold, revenue_core, revenue_gold, accepted, int(clicks), int(duplicates)
    )


def business_days() -> BusinessDays | None:
    """The days that gold has; None before it has any."""
    with lake() as connection:
        first, last, days = _row(connection.execute(GOLD_DAYS).fetchone())
    return None if first is None else BusinessDays(first, last, int(days), last > real_now().date())


def latencies(window: Window, click_to_feature_ms: list[float]) -> Latencies:
    """What was measured between two moments of real time."""
    span = [window.began, window.ended]
    with lake() as connection:
        to_bronze = _row(connection.execute(CLICK_TO_BRONZE, span).fetchone())[0]
        recommended = connection.execute(DECISION_LATENCY, ["decisions.recommendation.served.v1", *span]).fetchone()
        assessed = connection.execute(DECISION_LATENCY, ["decisions.fraud.assessed.v1", *span]).fetchone()
    return Latencies(
        click_to_feature_p95=_percentile(click_to_feature_ms, 95),
        click_to_bronze_p95=round(float(to_bronze or np.nan), 1),
        recommendation_p99=round(float(_row(recommended)[0] or np.nan), 3),
        fraud_p99=round(float(_row(assessed)[0] or np.nan), 3),
    )


@dataclass(frozen=True)
class Fallbacks:
    """Decisions that had to do without the online store or a model."""

    share: float
    reasons: dict[tuple[str, str], int]
    """How many by event type and reason."""

    def __str__(self) -> str:
        listed = [
            f"{count} × {event_type.split('.')[1]} {reason}" for (event_type, reason), count in self.reasons.items()
        ]
        return f"{self.share:.0%} of the decisions fell back ({', '.join(listed) or 'there were none'})"


def fallbacks(window: Window) -> Fallbacks:
    """Count the decisions of a window that fell back; a window without decisions counts as all."""
    with lake() as connection:
        rows = connection.execute(FALLBACKS, [window.began, window.ended]).fetchall()
    reasons = {
        (kind, reason): count for kind, reason, count in rows if reason in ("store_late", "store_down", "no_model")
    }
    total = sum(count for _, _, count in rows)
    return Fallbacks(sum(reasons.values()) / total if total else 1.0, reasons)


def fraud_figures(truth: pa.Table, window: Window) -> FraudFigures:
    """Model scores of the window's orders against the truth.

    Orders whose card the gateway refuses whoever asks are left out: nobody loses money by them. So are orders that
    were assessed without a model.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    with lake() as connection:
        connection.register("truth", truth)
        judged = connection.execute(FRAUD_SCORES_AND_TRUTH, [window.began, window.ended]).fetchall()
    labels = np.array([bool(is_fraud) for _, _, is_fraud in judged])
    scores = np.array([float(score) for score, _, _ in judged])
    declined = sum(action == "decline" for _, action, _ in judged)
    frauds_declined, frauds_held = (
        sum(action == wanted and bool(is_fraud) for _, action, is_fraud in judged) for wanted in ("decline", "review")
    )
    if not labels.any() or labels.all():
        return FraudFigures(
            len(labels), int(labels.sum()), float("nan"), float("nan"), declined, frauds_declined, frauds_held
        )
    return FraudFigures(
        len(labels),
        int(labels.sum()),
        round(float(roc_auc_score(labels, scores)), 4),
        round(float(average_precision_score(labels, scores)), 4),
        declined,
        frauds_declined,
        frauds_held,
    )


def champion_metrics(model: str) -> Mapping[str, float]:
    """Metrics of the version in force; empty while there is none."""
    store = ModelStore()
    version = store.champion(model)
    return store.manifest(model, version).metrics if version else {}


def products_known() -> frozenset[str]:
    """Products that the recommendation model in force has learnt anything of; empty while there is none."""
    store = ModelStore()
    version = store.champion("recommendation")
    if version is None:
        return frozenset()
    return frozenset(RecommendationModel.load(store.path("recommendation", version)).product_ids)


def champions() -> dict[str, str | None]:
    """The version in force of each model."""
    store = ModelStore()
    return {model: store.champion(model) for model in ("recommendation", "fraud", "pricing")}


def _percentile(values: list[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 1) if values else float("nan")


def _by_currency(rows: Sequence[tuple[Any, ...]]) -> tuple[int, dict[str, str]]:
    """Orders in all, and revenue in each currency that a sale was made in."""
    revenue = {currency: money_text(total, currency) for currency, _, total in rows if total is not None}
    return sum(int(count) for _, count, _ in rows), revenue


def _row(row: Any) -> tuple[Any, ...]:
    """A row that an aggregate always gives."""
    if row is None:
        raise LookupError("an aggregate answered without a row")
    return tuple(row)
