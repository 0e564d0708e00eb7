"""Learns elasticities, measures, gates and publishes them, with the proposals that follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakefront.artefacts import ModelStore
from lakefront.clock import iso
from lakefront.settings import settings as shop_settings
from models.gate import Measurement, decide
from models.pricing.elasticity import NAME, Elasticities, estimate
from models.pricing.evaluate import HeldOut, deviance, evaluate, hold_out
from models.pricing.panel import panel
from models.pricing.propose import PricingSettings, propose
from models.publish import Published, publish

CHANCE_ERRORS = 2.0
"""Standard errors of the paired difference within which two deviances are taken as equal.

Exploration within ±10 % explains little of one day's sales: with 100 units on the test days the expected gain of the true
elasticity is a sixth of the difference's standard error. One error would refuse every sixth good model by chance.
"""


@dataclass(frozen=True)
class PricingModel:
    """Elasticities and the proposals made from them."""

    elasticities: Elasticities
    proposals: pa.Table
    """Columns of ``propose.PROPOSALS``."""
    metrics: dict[str, float]

    def writer(self) -> Callable[[Path], None]:
        def write(folder: Path) -> None:
            self.elasticities.save(folder)
            pq.write_table(self.proposals, folder / "proposals.parquet")

        return write


def train_and_gate(
    product_days: pa.Table,
    products: pa.Table,
    as_of: datetime,
    *,
    store: ModelStore | None = None,
    settings: PricingSettings | None = None,
    data: dict[str, Any] | None = None,
) -> Published[PricingModel]:
    """Measure by time split, estimate on all days, propose, store, gate and promote. Raises TooLittleData.

    Proposals are to be sent to the shop only when the version was promoted. The baseline is a shop where price does not
    matter; the effect of ±10 % on few days is close to chance, so a shortfall within ``CHANCE_ERRORS`` passes: the prior of
    the meta-analysis stands behind the estimate.
    """
    store = store or ModelStore()
    settings = settings or PricingSettings(limit=shop_settings().price_change_limit)
    champion = store.champion(NAME)
    manifest = store.manifest(NAME, champion) if champion else None
    days = panel(product_days, as_of)
    held_out = hold_out(days, champion_as_of=datetime.fromisoformat(manifest.as_of) if manifest else None)
    measured = evaluate(held_out)
    elasticities = estimate(days)
    proposals, counted = propose(product_days, products, as_of, elasticities=elasticities, settings=settings)
    metrics = measured | counted | {"elasticity": elasticities.overall.mean, "elasticity_sd": elasticities.overall.sd}
    measurement = Measurement(
        f"deviance on {held_out.tested_on}",
        measured["deviance"],
        measured["no_price_deviance"],
        champion=_champion_deviance(store, champion, held_out),
        champion_recorded=manifest.metrics.get("deviance") if manifest else None,
        higher_is_better=False,
        tolerance=0.02,
        margin=CHANCE_ERRORS * measured["deviance_difference_error"],
    )
    model = PricingModel(elasticities, proposals, metrics)
    verdict = decide(measurement, scoring_ms=0.0, budget_ms=1.0)  # prices are looked up, not scored
    snapshot = {
        **(data or {}),
        "split_at": iso(held_out.split_at),
        "method": elasticities.method,
        "days": len(days.days),
        "settings": asdict(settings),
    }
    return publish(store, NAME, model, model.writer(), as_of=as_of, metrics=metrics, verdict=verdict, data=snapshot)


def _champion_deviance(store: ModelStore, champion: str | None, held_out: HeldOut) -> float | None:
    if champion is None or not held_out.is_fair_to_champion:
        return None
    return deviance(held_out, Elasticities.load(store.path(NAME, champion)))
