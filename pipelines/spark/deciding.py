"""What was decided: verdicts on orders and recommendations shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakefront.contracts.decisions import FraudAssessed, RecommendationServed
from pipelines.spark.reading import facts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_HEAD = ("event_id", "occurred_at", "occurred_date", "recorded_at", "data.*")
_DECISION = "decision_id:string,user:string,model_version:string,fallback:string,latency_ms:double"


def fraud_decisions(events: DataFrame) -> DataFrame:
    """One row per verdict; its features stay the JSON object that the decision was made from."""
    return facts(
        events,
        [FraudAssessed.event_type],
        f"{_DECISION},order_id:string,action:string,composite:double,rules:double,model:double,external:double,"
        "features:string",
    ).select(*_HEAD)


def recommendations(events: DataFrame) -> DataFrame:
    """One row per list of recommendations that was served."""
    return facts(
        events,
        [RecommendationServed.event_type],
        f"{_DECISION},session:string,surface:string,strategy:string,product_ids:array<string>",
    ).select(*_HEAD)
