"""What shoppers did: interactions (clicks, carts, bought lines) and sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakefront.contracts import STOREFRONT_TYPES
from lakefront.contracts.commerce import OrderPlaced
from lakefront.contracts.storefront import CartItemAdded, ProductViewed
from pipelines.spark.reading import facts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SESSION_GAP = "30 minutes"
CLICKSTREAM = sorted(STOREFRONT_TYPES)


def interactions(events: DataFrame) -> DataFrame:
    """One row per product view, cart addition and bought line."""
    from pyspark.sql import functions as f

    clicks = facts(
        events,
        [ProductViewed.event_type, CartItemAdded.event_type],
        "product_id:string,quantity:bigint,surface:string,decision_id:string,position:int",
    ).selectExpr(
        "event_id", "occurred_at", "occurred_date", "recorded_at", "metadata.user AS user", "key AS session",
        "data.product_id", f"if(event_type = '{ProductViewed.event_type}', 'view', 'cart') AS kind",
        "coalesce(data.quantity, 1) AS quantity", "data.surface", "data.decision_id", "data.position",
    )  # fmt: skip
    bought = (
        facts(
            events,
            [OrderPlaced.event_type],
            "user:string,session:string,lines:array<struct<product_id:string,quantity:bigint>>",
        )
        .select("*", f.explode("data.lines").alias("line"))
        .selectExpr(
            "event_id", "occurred_at", "occurred_date", "recorded_at", "data.user AS user", "data.session AS session",
            "line.product_id", "'order' AS kind", "line.quantity", "cast(null AS string) AS surface",
            "cast(null AS string) AS decision_id", "cast(null AS int) AS position",
        )
    )  # fmt: skip
    return clicks.unionByName(bought)


def sessions(events: DataFrame) -> DataFrame:
    """A visitor's events without a gap of 30 minutes, dated by the first of them.

    The events must reach a day beyond the wanted dates on both sides, so that a session across midnight is seen whole; sessions
    shorter than a day then come out the same from any run that covers them.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    acts = facts(events, [*CLICKSTREAM, OrderPlaced.event_type], "session:string,user:string").selectExpr(
        "event_id", "event_type", "occurred_at", "recorded_at", "data.session AS session",
        "coalesce(data.user, metadata.user) AS user",
    ).where("session IS NOT NULL")  # fmt: skip
    in_order = Window.partitionBy("session").orderBy("occurred_at", "event_id")
    starts = f.expr(f"previous_at IS NULL OR occurred_at - previous_at > INTERVAL {SESSION_GAP}").cast("int")
    numbered = acts.withColumn("previous_at", f.lag("occurred_at").over(in_order)).withColumn(
        "number", f.sum(starts).over(in_order)
    )
    first = f.min(f.struct("occurred_at", "event_id", "recorded_at")).alias("first")
    whole = numbered.groupBy("session", "number").agg(
        first,
        f.expr("min_by(user, occurred_at) FILTER (WHERE user IS NOT NULL)").alias("user"),
        f.max("occurred_at").alias("ended_at"),
        f.count("*").alias("events"),
        f.count_if(f.col("event_type") == ProductViewed.event_type).alias("views"),
        f.count_if(f.col("event_type") == CartItemAdded.event_type).alias("carts"),
        f.count_if(f.col("event_type") == OrderPlaced.event_type).alias("orders"),
    )
    return whole.selectExpr(
        "first.event_id", "first.occurred_at", "to_date(first.occurred_at) AS occurred_date", "first.recorded_at",
        "substring(sha2(concat(session, ':', first.event_id), 256), 1, 32) AS session_id", "user", "session",
        "ended_at", "events", "views", "carts", "orders",
    )  # fmt: skip
