"""What was sold: orders, their lines and statuses, payments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakefront.contracts.commerce import OrderPlaced, OrderStatusChanged, PaymentChanged
from pipelines.spark.reading import facts, money

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def orders(events: DataFrame) -> DataFrame:
    """One row per placed order."""
    return (
        facts(
            events,
            [OrderPlaced.event_type],
            "order_id:string,user:string,session:string,channel:string,currency:string,total:string,payment_kind:string,"
            "account_age_days:double,device:string,card:string,address:string,shipping_country:string,"
            "network_country:string,email_domain:string",
        )
        .select("event_id", "occurred_at", "occurred_date", "recorded_at", "data.*")
        .withColumn("total", money("total"))
    )


def order_lines(events: DataFrame) -> DataFrame:
    """One row per line of a placed order, numbered from 1."""
    from pyspark.sql import functions as f

    line = "product_id:string,sku:string,category_path:string,quantity:bigint,unit_price:string,total:string"
    placed = facts(
        events,
        [OrderPlaced.event_type],
        f"order_id:string,user:string,channel:string,lines:array<struct<{line}>>",
    )
    return (
        placed.select("*", f.posexplode("data.lines").alias("place", "line"))
        .selectExpr(
            "event_id", "occurred_at", "occurred_date", "recorded_at", "data.order_id", "place + 1 AS line_number",
            "data.user", "data.channel", "line.*",
        )
        .withColumn("unit_price", money("unit_price"))
        .withColumn("total", money("total"))
    )  # fmt: skip


def order_statuses(events: DataFrame) -> DataFrame:
    """One row per change of an order's status."""
    return facts(
        events,
        [OrderStatusChanged.event_type],
        "order_id:string,user:string,previous:string,status:string,reason:string",
    ).select("event_id", "occurred_at", "occurred_date", "recorded_at", "sequence", "data.*")


def payments(events: DataFrame) -> DataFrame:
    """One row per change of a payment."""
    return (
        facts(
            events,
            [PaymentChanged.event_type],
            "payment_id:string,order_id:string,user:string,status:string,amount:string,currency:string,gateway:string,"
            "reason:string,device:string,card:string,address:string",
        )
        .select("event_id", "occurred_at", "occurred_date", "recorded_at", "sequence", "data.*")
        .withColumn("amount", money("amount"))
    )
