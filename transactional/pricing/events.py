"""What pricing tells the world."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from lakefront.contracts.commerce import CurrencyPriceChanged, PriceChanged
from lakefront.money import rounded
from transactional.platform.outbox import Fact

SOURCE = "transactional.pricing"
Reason = Literal["listing", "demand", "exploration", "proposal", "manual", "import"]


def price_changed(
    product: dict[str, Any],
    price: Decimal,
    factor: float,
    reason: Reason,
    now: datetime,
    *,
    proposal_id: UUID | None = None,
    model_version: str | None = None,
) -> Fact:
    """The product (as it was, locked) has another price; the event's sequence is its next version."""
    currency = product["currency"]
    data = PriceChanged(
        product_id=product["id"],
        currency=currency,
        base_price=rounded(product["base_price"], currency),
        previous_price=rounded(product["price"], currency),
        price=price,
        factor=factor,
        reason=reason,
        proposal_id=proposal_id,
        model_version=model_version,
    )
    return Fact(data, sequence=product["version"] + 1, occurred_at=now, source=SOURCE)


def currency_price_changed(product: dict[str, Any], currency: str, price: Decimal | None, now: datetime) -> Fact:
    """The product (as it was, locked) costs something else in a currency, or is converted again."""
    data = CurrencyPriceChanged(product_id=product["id"], currency=currency, price=price)
    return Fact(data, sequence=product["version"] + 1, occurred_at=now, source=SOURCE)
