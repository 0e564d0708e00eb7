"""Price proposals: the factor on the base price at which the coming days are expected to earn most.

For each product the margin of the next ``horizon_days`` is computed for every allowed factor: expected demand at that
price, sold out of the stock at hand, minus the cost of the units, plus what clearing surplus stock saves. The elasticity is
uncertain, so it is averaged over its distribution, and a change is proposed only when it is likely to be right. Factors stay
within ±limit of base and within one step of today's, so that a wrong guess is small and is corrected by what it teaches.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from models.pricing.demand import expected_sales, rates
from models.pricing.elasticity import OUTLIER, Elasticities, estimate
from models.pricing.panel import Floats, Panel, panel
from models.pricing.reasons import Situation, reasons

PROPOSALS = pa.schema(
    [
        ("product_id", pa.string()),
        ("factor", pa.float64()),
        ("current_factor", pa.float64()),
        ("expected_margin_change", pa.float64()),
        ("reasons", pa.string()),  # JSON: the figures, and a sentence 'text'
    ]
)


@dataclass(frozen=True)
class PricingSettings:
    """What a proposal may do and when it is worth a person's time."""

    limit: float = 0.20
    """Largest distance from the base price."""
    step: float = 0.06
    """Largest change in one proposal."""
    grid: float = 0.01
    horizon_days: float = 14.0
    demand_half_life_days: float = 14.0
    cost_share: float = 0.60
    """Cost of a unit as a share of the base price, as long as the catalogue does not know costs."""
    cover_days: float = 60.0
    """Stock beyond so many days of sales at the base price is surplus."""
    surplus_cost: float = 0.15
    """What a unit of surplus costs until it is sold, as a share of the base price."""
    minimum_units: float = 3.0
    minimum_gain: float = 0.01
    """Smallest expected improvement of the margin."""
    minimum_confidence: float = 0.6
    """Smallest probability that the change improves the margin."""
    most: int = 60


def propose(
    product_days: pa.Table,
    products: pa.Table,
    as_of: datetime,
    limit: float | None = None,
    *,
    elasticities: Elasticities | None = None,
    settings: PricingSettings | None = None,
) -> tuple[pa.Table, dict[str, float]]:
    """Proposals (PROPOSALS, the most valuable first) and their figures. Raises TooLittleData."""
    settings = settings or PricingSettings()
    limit = settings.limit if limit is None else limit
    days = panel(product_days, as_of)
    elasticities = elasticities or estimate(days)
    situations = _situations(days, products, elasticities, settings)
    rows = _best(situations, limit, settings) if situations else []
    table = pa.Table.from_pylist(rows, schema=PROPOSALS)
    changes = [abs(row["factor"] - row["current_factor"]) for row in rows]
    metrics = {
        "products": float(len(situations)),
        "proposals": float(len(rows)),
        "largest_change": max(changes, default=0.0),
        "largest_distance_from_base": max((abs(row["factor"] - 1) for row in rows), default=0.0),
    }
    return table, metrics


def _situations(
    days: Panel, products: pa.Table, elasticities: Elasticities, settings: PricingSettings
) -> list[Situation]:
    """What is known of each product that sold lately and has stock."""
    normal = np.abs(days.log_price) < OUTLIER
    level = rates(
        days, normal, elasticities.means(days.categories), half_life_days=settings.demand_half_life_days
    )  # fmt: skip
    recent = days.day >= len(days.days) - 2 * settings.demand_half_life_days
    sold = np.bincount(days.product[recent], days.units[recent], len(days.product_ids))
    row_of = {product_id: row for row, product_id in enumerate(days.product_ids)}
    situations = []
    for product in products.select(
        ["product_id", "category_path", "currency", "base_price", "price", "available"]
    ).to_pylist():
        row = row_of.get(product["product_id"])
        base, available = product["base_price"], product["available"]
        if row is None or sold[row] < settings.minimum_units or not base or not product["price"] or available == 0:
            continue
        estimated = elasticities.of(product["category_path"])
        situations.append(
            Situation(
                product_id=product["product_id"],
                category=product["category_path"] or "",
                currency=product["currency"],
                base_price=base,
                current=float(product["price"] / base),
                units_per_day=float(level.of_product[row]),
                available=None if available is None else float(available),
                elasticity=estimated.mean,
                elasticity_sd=estimated.sd,
                shop_elasticity=elasticities.overall.mean,
            )
        )
    return situations


def _best(situations: list[Situation], limit: float, settings: PricingSettings) -> list[dict[str, Any]]:
    """The proposals worth making, the most valuable first."""
    current = np.array([s.current for s in situations])
    steps = np.arange(-round(settings.step / settings.grid), round(settings.step / settings.grid) + 1) * settings.grid
    wanted = np.round(current[:, None] + steps, 2)
    allowed = (wanted >= 1 - limit - 1e-9) & (wanted <= 1 + limit + 1e-9)
    factors = np.concatenate([current[:, None], wanted], axis=1)
    units, margins = _outcomes(situations, factors, settings)  # products × factors × elasticities
    gain = margins - margins[:, :1, :]
    node_weights = _nodes()[1]
    mean_gain = gain @ node_weights
    scale = np.maximum(np.abs(margins[:, 0, :] @ node_weights), 1e-9)
    confident = (gain > 0) @ node_weights >= settings.minimum_confidence
    worth = np.where(
        np.concatenate([np.zeros((len(current), 1), dtype=bool), allowed], axis=1) & confident, mean_gain, -np.inf
    )
    choice = worth.argmax(axis=1)
    rows: list[dict[str, Any]] = []
    for row, situation in enumerate(situations):
        best = choice[row]
        change = mean_gain[row, best] / scale[row]
        factor = float(factors[row, best])
        if (
            not np.isfinite(worth[row, best])
            or change < settings.minimum_gain
            or abs(factor - situation.current) < 1e-3
        ):
            continue
        sold, sold_now = float(units[row, best] @ node_weights), float(units[row, 0] @ node_weights)
        value = float(mean_gain[row, best]) * float(situation.base_price)
        told = reasons(situation, factor, sold / max(sold_now, 1e-9) - 1, float(change), settings.cover_days)
        rows.append(
            {
                "product_id": situation.product_id,
                "factor": round(factor, 4),
                "current_factor": situation.current,
                "expected_margin_change": float(change),
                "reasons": json.dumps(told),
                "value": value,
            }
        )
    rows.sort(key=lambda proposal: (-proposal["value"], proposal["product_id"]))
    return [{name: row[name] for name in PROPOSALS.names} for row in rows[: settings.most]]


def _outcomes(situations: list[Situation], factors: Floats, settings: PricingSettings) -> tuple[Floats, Floats]:
    """Expected units and margin (in base prices) of the horizon, by product, factor and elasticity."""
    nodes = _nodes()[0]
    elasticity = np.array([s.elasticity for s in situations])[:, None] + np.array(
        [s.elasticity_sd for s in situations]
    )[:, None] * nodes  # fmt: skip
    elasticity = np.minimum(elasticity, -0.1)  # dearer never sells more: what noise says beyond that is not believed
    rate = np.array([s.units_per_day for s in situations])[:, None, None]
    demand = rate * settings.horizon_days * np.exp(elasticity[:, None, :] * np.log(factors)[:, :, None])
    unlimited = np.array([s.available is None for s in situations])[:, None, None]
    stock = np.array([s.available or 0.0 for s in situations])[:, None, None]
    units = np.where(unlimited, demand, expected_sales(demand, np.broadcast_to(stock, demand.shape)))
    surplus = np.where(unlimited, 0.0, np.maximum(stock - rate * settings.cover_days, 0.0))
    cleared = np.minimum(units, surplus)
    margin = units * (factors[:, :, None] - settings.cost_share) + settings.surplus_cost * cleared
    return units, margin


def _nodes() -> tuple[Floats, Floats]:
    """Gauss-Hermite nodes and weights of a standard normal distribution."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    return nodes, weights / weights.sum()
