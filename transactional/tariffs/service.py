"""Loading tariffs from files: each load is one transaction, and a file with a wrong line changes nothing."""

from __future__ import annotations

import csv
from typing import Any, TypeVar

from pydantic import ValidationError

from transactional.platform.database import Database
from transactional.platform.errors import field_errors
from transactional.platform.query import rows
from transactional.tariffs import store
from transactional.tariffs.exchange import read_ecb
from transactional.tariffs.schemas import DutyRow, Row, ShippingRow, TaxRow, columns

RowKind = TypeVar("RowKind", bound=Row)


class BadTariff(ValueError):
    """A line of the file is wrong."""


def read_rows(text: str, kind: type[RowKind]) -> list[RowKind]:
    """The lines of a CSV file with a header. Raises BadTariff, which names the line."""
    found: list[RowKind] = []
    for number, line in enumerate(csv.DictReader(text.splitlines()), 2):
        if None in line:
            raise BadTariff(f"line {number}: it has more cells than the first line has names")
        try:
            found.append(kind.model_validate({name: (value or "").strip() for name, value in line.items()}))
        except ValidationError as error:
            wrong = "; ".join(f"{one['field']}: {one['message']}" for one in field_errors(error.errors()))
            raise BadTariff(f"line {number}: {wrong}") from error
    if not found:
        raise BadTariff("the file has no lines")
    return found


async def load_exchange_rates(db: Database, text: str) -> int:
    """Take over rates as the European Central Bank publishes them; answers how many. Raises BadRates."""
    rates = read_ecb(text)
    parameters = {
        "days": [day for day, _, _ in rates],
        "currencies": [currency for _, currency, _ in rates],
        "rates": [rate for _, _, rate in rates],
    }
    async with db.connection() as connection:
        await connection.execute(store.ADD_EXCHANGE_RATES, parameters)
    return len(rates)


async def load_taxes(db: Database, text: str) -> int:
    """Replace the tax rates of all countries that the file names. Raises BadTariff."""
    return await _replace(db, read_rows(text, TaxRow), store.REMOVE_TAXES, store.ADD_TAXES)


async def load_duties(db: Database, text: str) -> int:
    """Replace the duties of all countries that the file names. Raises BadTariff."""
    return await _replace(db, read_rows(text, DutyRow), store.REMOVE_DUTIES, store.ADD_DUTIES)


async def _replace(db: Database, loaded: list[Any], remove: str, add: str) -> int:
    keys = [row.model_dump(exclude={"rate", "is_inclusive", "on_shipping", "threshold", "currency"}) for row in loaded]
    for number, key in enumerate(keys):
        if key in keys[:number]:
            raise BadTariff(f"line {number + 2}: there is a line before it with the same country, region and category")
    async with db.transaction() as connection:
        await connection.execute(remove, {"countries": sorted({row.country for row in loaded})})
        await connection.execute(add, columns(loaded))
    return len(loaded)


async def load_shipping(db: Database, text: str) -> int:
    """Set the tariffs of the shipping services that the file names. Raises BadTariff."""
    loaded = read_rows(text, ShippingRow)
    async with db.connection() as connection:
        return len(await rows(connection, store.SET_SHIPPING, columns(loaded)))
