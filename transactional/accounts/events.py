"""What accounts tell the world: that somebody registered, by pseudonym."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from lakefront.contracts.commerce import UserRegistered
from transactional.platform.outbox import Fact


def registered(user: UUID, email: str, country: str | None, now: datetime) -> Fact:
    """The first fact of an account."""
    domain = email.rpartition("@")[2].lower()
    data = UserRegistered(user=user, email_domain=domain, country=country)
    return Fact(data, 1, now, "transactional.accounts", {"user": str(user)})
