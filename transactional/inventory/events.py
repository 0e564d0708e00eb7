"""What the inventory tells the world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from lakefront.contracts.commerce import ReorderAlertRaised, StockChanged
from transactional.platform.outbox import Fact

SOURCE = "transactional.inventory"
Reason = Literal["receipt", "reservation", "release", "correction", "import"]


def stock_changed(rows: Iterable[Mapping[str, Any]], reason: Reason, now: datetime) -> list[Fact]:
    """One event for each stock row that a statement returned (sku, warehouse, product_id, available, version,
    change)."""
    return [
        Fact(
            StockChanged(
                stock_key=f"{row['sku']}:{row['warehouse']}",
                sku=row["sku"],
                product_id=row["product_id"],
                warehouse=row["warehouse"],
                available=row["available"],
                change=row["change"],
                reason=reason,
            ),
            sequence=row["version"],
            occurred_at=now,
            source=SOURCE,
        )
        for row in rows
    ]


def alert_raised(alert_id: UUID, row: Mapping[str, Any], now: datetime) -> Fact:
    """The event of a fall below the reorder level (sku, warehouse, product_id, available, reorder_level)."""
    data = ReorderAlertRaised(
        alert_id=alert_id,
        sku=row["sku"],
        product_id=row["product_id"],
        warehouse=row["warehouse"],
        available=row["available"],
        reorder_level=row["reorder_level"],
    )
    return Fact(data, sequence=1, occurred_at=now, source=SOURCE)
