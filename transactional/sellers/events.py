"""What sellers tell the world: that there is one, and what changes about it. Names stay here; events carry the code."""

from __future__ import annotations

from datetime import datetime

from lakefront.contracts.commerce import SellerChanged
from transactional.platform.outbox import Fact
from transactional.platform.query import Row

SOURCE = "transactional.sellers"


def changed(seller: Row, previous_status: str | None, now: datetime) -> Fact:
    """A seller is new (no previous status), or something about it is another."""
    data = SellerChanged(seller=seller["code"], status=seller["status"], previous_status=previous_status)
    return Fact(data, seller["version"], now, SOURCE)
