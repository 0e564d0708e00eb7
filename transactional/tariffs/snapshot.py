"""The tariffs as a process keeps them: read with one statement, and read anew behind the requests now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from transactional.platform.core import Core
from transactional.platform.database import Database
from transactional.platform.geography import Place, place_of
from transactional.platform.query import first
from transactional.tariffs import store
from transactional.tariffs.delivery import Service
from transactional.tariffs.exchange import BASE
from transactional.tariffs.taxes import DutyCalculator, DutyRate, DutyTable, TaxCalculator, TaxRate, TaxTable

FRESH_SECONDS = 60.0
"""A change made elsewhere is seen at the latest after this and one more request."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a warehouse stands."""

    country: str | None
    place: Place | None


UNKNOWN_ORIGIN = Origin(None, None)


@dataclass(frozen=True, slots=True)
class Tariffs:
    """All tariffs in force."""

    services: Mapping[str, Service]
    per_euro: Mapping[str, Decimal]
    warehouses: Mapping[str, Origin]
    tax: TaxCalculator
    duties: DutyCalculator


class _Kept:
    """The tariffs of one database, and when they were read."""

    def __init__(self) -> None:
        self.tariffs: Tariffs | None = None
        self.read_at = 0.0
        self.reading: asyncio.Task[Tariffs] | None = None
        self.tax: TaxCalculator | None = None
        self.duties: DutyCalculator | None = None


_kept: WeakKeyDictionary[Database, _Kept] = WeakKeyDictionary()


async def tariffs_of(core: Core) -> Tariffs:
    """The tariffs; only a process's first request waits for them. Ask before taking a connection."""
    kept = _kept.setdefault(core.db, _Kept())
    if kept.tariffs is not None and time.monotonic() - kept.read_at < FRESH_SECONDS:
        return kept.tariffs
    if kept.reading is None or kept.reading.done():
        kept.reading = asyncio.create_task(_read(core, kept))
    if kept.tariffs is not None:
        return kept.tariffs
    return await asyncio.shield(kept.reading)


async def read_tariffs(core: Core) -> None:
    """Read them as a worker's first step, so that its first order need not."""
    await tariffs_of(core)


def forget(core: Core) -> None:
    """Read them anew at the next request."""
    kept = _kept.setdefault(core.db, _Kept())
    kept.tariffs, kept.reading = None, None


def install(core: Core, *, tax: TaxCalculator | None = None, duties: DutyCalculator | None = None) -> None:
    """Use these calculators instead of the tables from now on."""
    kept = _kept.setdefault(core.db, _Kept())
    kept.tax, kept.duties = tax, duties
    forget(core)


async def _read(core: Core, kept: _Kept) -> Tariffs:
    try:
        async with core.db.connection() as connection:
            row = await first(connection, store.SNAPSHOT, {"today": core.clock.now().date()})
    except (psycopg.OperationalError, PoolTimeout) as error:
        if kept.tariffs is None:
            raise
        log.warning("tariffs_not_read", error=str(error))
        return kept.tariffs
    assert row is not None, "the statement has one row"
    read = _tariffs(row)
    tariffs = replace(read, tax=kept.tax or read.tax, duties=kept.duties or read.duties)
    if kept.reading is asyncio.current_task():  # else they were to be read anew meanwhile
        kept.tariffs, kept.read_at = tariffs, time.monotonic()
    return tariffs


def _tariffs(row: dict[str, Any]) -> Tariffs:
    per_euro = {BASE: Decimal(1)} | {currency: Decimal(rate) for currency, rate in row["per_euro"].items()}
    services = [Service(**_amounts(one, "base_cost", "cost_per_100_km", "free_from")) for one in row["services"]]
    taxes = [TaxRate(**_amounts(one, "rate")) for one in row["taxes"]]
    duties = [DutyRate(**_amounts(one, "rate", "threshold")) for one in row["duties"]]
    return Tariffs(
        services={service.code: service for service in services},
        per_euro=per_euro,
        warehouses={code: _origin(*where) for code, where in row["warehouses"].items()},
        tax=TaxTable(taxes),
        duties=DutyTable(duties, per_euro),
    )


def _amounts(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return row | {name: Decimal(row[name]) for name in names if row[name] is not None}


def _origin(country: str | None, latitude: float | None, longitude: float | None) -> Origin:
    if latitude is not None and longitude is not None:
        return Origin(country, Place(latitude, longitude))
    return Origin(country, place_of(country))
