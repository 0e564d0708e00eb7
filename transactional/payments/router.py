"""Routing in a running process: rules and recent outcomes are kept in memory and read anew now and then, in the
background, so that an order never waits for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from lakefront.clock import real_now
from transactional.payments import store
from transactional.payments.gateways.registry import gateways_of
from transactional.payments.methods import method_of
from transactional.payments.routing import History, Outcomes, Payment, Rule, region_of, route
from transactional.platform.core import Core
from transactional.platform.database import Database
from transactional.platform.query import Row, rows

REFRESH_SECONDS = 30.0
WINDOW = timedelta(hours=1)
MOST_PAYMENTS = 5000
log = structlog.get_logger(__name__)


class Router:
    """What this process knows of the gateways."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.history = History()
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def read(self, core: Core) -> None:
        """Read rules and outcomes."""
        first_id = _least_id((real_now() - WINDOW).timestamp())
        async with core.db.connection() as connection:
            self.rules = [_rule(row) for row in await rows(connection, store.GATEWAY_RULES)]
            found = await rows(connection, store.RECENT_OUTCOMES, {"first_id": first_id, "limit": MOST_PAYMENTS})
        self.history = History(
            {
                (row["gateway"], row["region"], row["method"]): Outcomes(row["attempts"], row["successes"])
                for row in found
            }
        )
        self._read_at = time.monotonic()

    async def keep_fresh(self, core: Core) -> None:
        """Only the first payment of a process waits for the rules; later ones have them renewed behind their backs."""
        if self._read_at is None:
            await self.read(core)
        elif time.monotonic() - self._read_at > REFRESH_SECONDS and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read_again(core), name="gateway-rules")

    async def _read_again(self, core: Core) -> None:
        try:
            await self.read(core)
        except (psycopg.OperationalError, PoolTimeout) as error:
            log.warning("gateway_rules_not_read", error=str(error))


_routers: WeakKeyDictionary[Database, Router] = WeakKeyDictionary()


def router_of(core: Core) -> Router:
    """The router of this process."""
    return _routers.setdefault(core.db, Router())


async def choose(core: Core, context: Mapping[str, Any], risk: float) -> dict[str, Any]:
    """What a checkout's context says of the way its payment goes: ``gateway`` (empty where none takes it) and
    ``backups``. The first payment of a process reads the rules; have them read (``keep_fresh``) before a connection is
    held."""
    router = router_of(core)
    await router.keep_fresh(core)
    payment = Payment(
        method=context.get("method_type") or method_of(context["method"]),
        token=context["method"],
        amount=Decimal(context.get("due", context["total"])),
        currency=context["currency"],
        country=context["shipping_country"] or context["network_country"],
        risk=risk,
    )
    gateways = gateways_of(core)
    away = {name for name, gateway in gateways.items() if gateway.breaker.is_open}
    first, *backups = route(payment, router.rules, router.history, gateways, away) or [""]
    return {"gateway": first, "backups": backups, "payment_region": region_of(payment), "paid_by": payment.method}


def _least_id(timestamp: float) -> UUID:
    """Below every UUIDv7 that was made since."""
    return UUID(int=int(timestamp * 1000) << 80)


def _rule(row: Row) -> Rule:
    return Rule(
        **{
            **row,
            "countries": frozenset(row["countries"]),
            "excluded_countries": frozenset(row["excluded_countries"]),
            "token_prefixes": tuple(row["token_prefixes"]),
        }
    )
