"""What was on offer: product descriptions, prices and stock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakefront.contracts.commerce import PriceChanged, ProductListed, StockChanged
from pipelines.spark.reading import facts, money

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_HEAD = ("event_id", "occurred_at", "occurred_date", "recorded_at", "sequence", "data.*")


def products(events: DataFrame) -> DataFrame:
    """One row per version of a product's description."""
    return (
        facts(
            events,
            [ProductListed.event_type],
            "product_id:string,sku:string,title:string,category_path:string,brand:string,currency:string,"
            "base_price:string,price:string,status:string",
        )
        .select(*_HEAD)
        .withColumn("base_price", money("base_price"))
        .withColumn("price", money("price"))
    )


def prices(events: DataFrame) -> DataFrame:
    """One row per change of a product's price."""
    return (
        facts(
            events,
            [PriceChanged.event_type],
            "product_id:string,currency:string,base_price:string,price:string,factor:double,reason:string,"
            "model_version:string",
        )
        .select(*_HEAD)
        .withColumn("base_price", money("base_price"))
        .withColumn("price", money("price"))
    )


def stock(events: DataFrame) -> DataFrame:
    """One row per change of a SKU's stock in a warehouse."""
    return facts(
        events,
        [StockChanged.event_type],
        "sku:string,product_id:string,warehouse:string,available:bigint,change:bigint,reason:string",
    ).select(*_HEAD)
