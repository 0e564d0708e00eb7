"""Price quotes: the shop's price by the current approved policy, each logged as a decision.

The published policy (the online store) is asked, but only what was approved counts: where its proposal is the
product's approved one its factor is used, otherwise the product's own price. Either way it is the price that checkout
charges.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from lakefront.contracts.decisions import PriceQuoted
from lakefront.ids import new_id
from lakefront.money import money_text, rounded
from serving.decisions import PriceFactors
from transactional.inventory.errors import UnknownProducts
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.query import Row, rows
from transactional.pricing import store
from transactional.pricing.currencies import prices_in
from transactional.pricing.rules import price_for
from transactional.tariffs.exchange import converted
from transactional.tariffs.snapshot import Tariffs, tariffs_of


async def quotes(
    core: Core, caller: Caller, product_ids: Sequence[UUID], currency: str | None = None
) -> dict[str, Any]:
    """Prices of products in the order asked, in their own currency unless another is named. Raises UnknownProducts,
    CurrencyNotAvailable."""
    asked = list(dict.fromkeys(product_ids))
    tariffs = await tariffs_of(core) if currency else None
    async with core.db.connection() as connection:
        products = {row["id"]: row for row in await rows(connection, store.QUOTED, {"product_ids": asked})}
    if missing := set(asked) - products.keys():
        raise UnknownProducts(missing)
    factors = await core.decisions.price_factors([str(product_id) for product_id in asked])
    now = core.clock.now()
    decided = [_decide(core, caller, products[product_id], factors, now) for product_id in asked]
    items = [item for item, _ in decided]
    if tariffs is not None and currency is not None:
        items = await _in_currency(core, tariffs, [data for _, data in decided], currency)
    return {
        "items": items,
        "metadata": {
            "decisions": [data.decision_id for _, data in decided],
            "model_versions": sorted({data.model_version for _, data in decided if data.model_version}),
            "fallback": factors.fallback,
            "latency_ms": factors.latency_ms,
        },
    }


def _decide(
    core: Core, caller: Caller, product: Row, factors: PriceFactors, now: datetime
) -> tuple[dict[str, Any], PriceQuoted]:
    currency = product["currency"]
    published = factors.factors.get(str(product["id"]))
    approved = product["price_proposal_id"]
    follows = published is not None and approved is not None and published.proposal_id == str(approved)
    if follows and published is not None:
        factor, model_version = published.factor, published.model_version
        price = price_for(product["base_price"], factor, currency, core.settings.price_change_limit)
    else:
        factor, model_version = product["price_factor"], None
        price = rounded(product["price"], currency)
    data = PriceQuoted(
        decision_id=new_id(),
        model_version=model_version,
        features={"published_factor": published.factor if published else None, "follows_published": follows},
        fallback=factors.fallback,
        latency_ms=factors.latency_ms,
        product_id=product["id"],
        user=caller.user,
        session=caller.session,
        currency=currency,
        base_price=rounded(product["base_price"], currency),
        factor=factor,
        price=price,
    )
    core.log_decision(data, now)
    return _item(product, factor, price), data


async def _in_currency(
    core: Core, tariffs: Tariffs, decided: Sequence[PriceQuoted], currency: str
) -> list[dict[str, Any]]:
    """The decided prices as an order in that currency pays them. A base price without a rate is the price that was set."""
    base = {one.product_id: converted(one.base_price, one.currency, currency, tariffs.per_euro) for one in decided}
    own = [(one.product_id, one.price, one.currency) for one in decided]
    async with core.db.connection() as connection:
        prices = await prices_in(connection, tariffs, own, currency)
    return [
        {
            "product_id": one.product_id,
            "base_price": money_text(prices[one.product_id] if (b := base[one.product_id]) is None else b, currency),
            "factor": one.factor,
            "price": money_text(prices[one.product_id], currency),
            "currency": currency,
        }
        for one in decided
    ]


def _item(product: Row, factor: float, price: Decimal) -> dict[str, Any]:
    currency = product["currency"]
    return {
        "product_id": product["id"],
        "base_price": money_text(product["base_price"], currency),
        "factor": factor,
        "price": money_text(price, currency),
        "currency": currency,
    }
