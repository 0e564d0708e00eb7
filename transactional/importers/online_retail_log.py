"""The UCI Online Retail log as a table of judged lines: every line is either taken or left out for one named reason.

All is read as text first and converted once, so that prices are the exact decimals of the file, whatever its format.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pa_csv


class BadLog(ValueError):
    """The file cannot be read as an order log; the message says why."""


COLUMNS = {
    "invoice": ("InvoiceNo", "Invoice"),
    "stock_code": ("StockCode",),
    "description": ("Description",),
    "quantity": ("Quantity",),
    "placed_at": ("InvoiceDate",),
    "price": ("UnitPrice", "Price"),
    "customer": ("CustomerID",),
    "country": ("Country",),
}
"""Our name of each column, and the names that the two editions of the log give it (case and spaces aside)."""

REASONS = {
    "incomplete": "no invoice, stock code, date, quantity or price that can be read",
    "duplicate": "exact repetition of another line",
    "cancelled": "line of a cancellation (invoice begins with C)",
    "postage": "postage or carriage, not a product",
    "fee": "fee, discount, commission, sample or adjustment, not a product",
    "voucher": "gift voucher, not a product",
    "not_a_product": "stock code is not that of a product (five digits and letters)",
    "no_customer": "no customer",
    "no_quantity": "quantity is zero or negative",
    "no_price": "price is zero or negative",
}

_JUDGE = r"""
CREATE TABLE lines AS
WITH typed AS (
    SELECT number, trim(invoice) AS invoice, upper(trim(stock_code)) AS sku,
           nullif(regexp_replace(trim(description), '\s+', ' ', 'g'), '') AS title,
           TRY_CAST(TRY_CAST(quantity AS DOUBLE) AS INTEGER) AS quantity,
           coalesce(TRY_CAST(placed_at AS TIMESTAMP), try_strptime(placed_at, '%m/%d/%Y %H:%M'),
                    try_strptime(placed_at, '%m/%d/%y %H:%M')) AS placed_at,
           TRY_CAST(price AS DECIMAL(18, 4)) AS price,
           TRY_CAST(TRY_CAST(customer AS DOUBLE) AS BIGINT) AS customer,
           trim(country) AS country,
           row_number() OVER (PARTITION BY invoice, stock_code, description, quantity, placed_at, price, customer, country
                              ORDER BY number) AS copy
    FROM raw
)
SELECT *, CASE
    WHEN coalesce(invoice, '') = '' OR coalesce(sku, '') = '' OR placed_at IS NULL OR quantity IS NULL OR price IS NULL
        THEN 'incomplete'
    WHEN copy > 1 THEN 'duplicate'
    WHEN invoice ILIKE 'C%' THEN 'cancelled'
    WHEN sku IN ('POST', 'DOT', 'C2') THEN 'postage'
    WHEN sku IN ('D', 'M', 'S', 'B', 'CRUK', 'BANK CHARGES', 'AMAZONFEE', 'PADS', 'ADJUST', 'ADJUST2') THEN 'fee'
    WHEN sku LIKE 'GIFT\_%' ESCAPE '\' THEN 'voucher'
    WHEN NOT regexp_full_match(sku, '\d{5}[A-Z]*') THEN 'not_a_product'
    WHEN customer IS NULL THEN 'no_customer'
    WHEN quantity <= 0 THEN 'no_quantity'
    WHEN price <= 0 THEN 'no_price'
END AS reason
FROM typed"""

_TAKEN = "CREATE VIEW taken AS SELECT * FROM lines WHERE reason IS NULL"

_PRODUCTS = """
SELECT sku, title, base_price, first_at, last_at, recent_units FROM (
    SELECT sku, min(placed_at) AS first_at, max(placed_at) AS last_at,
           sum(quantity) FILTER (WHERE placed_at > (SELECT max(placed_at) FROM taken) - INTERVAL 90 DAY) AS recent_units
    FROM taken GROUP BY sku
)
JOIN (SELECT sku, price AS base_price FROM taken GROUP BY sku, price
      QUALIFY row_number() OVER (PARTITION BY sku ORDER BY count(*) DESC, price DESC) = 1) USING (sku)
LEFT JOIN (SELECT sku, title FROM taken WHERE title IS NOT NULL GROUP BY sku, title
      QUALIFY row_number() OVER (PARTITION BY sku ORDER BY count(*) DESC, title) = 1) USING (sku)
ORDER BY first_at, sku"""

# The price of a day is what most of its lines paid (small buyers: the price before discounts for quantity).
_PRICES = """
WITH days AS (
    SELECT sku, CAST(placed_at AS DATE) AS day, price, min(min(placed_at)) OVER (PARTITION BY sku, day) AS valid_from
    FROM taken GROUP BY sku, day, price
    QUALIFY row_number() OVER (PARTITION BY sku, day ORDER BY count(*) DESC, price DESC) = 1
)
SELECT sku, valid_from, price FROM days
QUALIFY lag(price) OVER (PARTITION BY sku ORDER BY day) IS DISTINCT FROM price
ORDER BY sku, valid_from"""

_CUSTOMERS = """
SELECT customer, first_at, country FROM (SELECT customer, min(placed_at) AS first_at FROM taken GROUP BY customer)
JOIN (SELECT customer, country FROM taken GROUP BY customer, country
      QUALIFY row_number() OVER (PARTITION BY customer ORDER BY count(*) DESC, country) = 1) USING (customer)
ORDER BY first_at, customer"""

_ORDER_LINES = """
SELECT invoice, placed_at, customer, country, sku, quantity, price FROM (
    SELECT invoice, sku, quantity, price, number,
           min(placed_at) OVER (PARTITION BY invoice) AS placed_at,
           first(customer) OVER (PARTITION BY invoice ORDER BY number) AS customer,
           first(country) OVER (PARTITION BY invoice ORDER BY number) AS country
    FROM taken
)
ORDER BY placed_at, invoice, number"""

_TALLY = """
SELECT reason, count(*), coalesce(sum(quantity * price), 0) FROM lines GROUP BY reason ORDER BY count(*) DESC"""


@dataclass(frozen=True)
class Tally:
    """Lines and their amount (quantity × price, exact) that were taken (no reason) or left out for a reason."""

    reason: str | None
    lines: int
    amount: Decimal


class OnlineRetailLog:
    """A log that has been read and judged. Rows come out ordered as the import needs them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        cursor = self._connection.execute(query)
        while rows := cursor.fetchmany(20_000):
            yield from rows

    def tallies(self) -> list[Tally]:
        return [Tally(*row) for row in self._rows(_TALLY)]

    def products(self) -> Iterator[tuple[Any, ...]]:
        """sku, title or None, base price (what most lines paid), first and last sale, units of the last 90 days."""
        return self._rows(_PRODUCTS)

    def prices(self) -> Iterator[tuple[Any, ...]]:
        """sku, since when, price: the first price and every change, by sku and time."""
        return self._rows(_PRICES)

    def customers(self) -> Iterator[tuple[Any, ...]]:
        """number, first order, country as the log names it."""
        return self._rows(_CUSTOMERS)

    def order_lines(self) -> Iterator[tuple[Any, ...]]:
        """invoice, time, customer, country, sku, quantity, price: order after order."""
        return self._rows(_ORDER_LINES)


@contextmanager
def open_log(path: Path) -> Iterator[OnlineRetailLog]:
    """Read and judge a log (Parquet or CSV). Raises BadLog when it is none, or when nothing in it can be taken."""
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        _load(connection, path)
        connection.execute(_JUDGE)
        connection.execute(_TAKEN)
        if connection.execute("SELECT count(*) FROM taken").fetchone() == (0,):
            why = "; ".join(
                f"{one.lines:,} × {REASONS[one.reason or '']}" for one in OnlineRetailLog(connection).tallies()
            )
            raise BadLog(f"{path}: no line of it can be taken as a sale: {why or 'it has no lines'}")
        yield OnlineRetailLog(connection)


def fingerprint(path: Path) -> str:
    """SHA-256 of the file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadLog(f"{path} cannot be read: {error.strerror}") from error


def _load(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    if not path.is_file():
        raise BadLog(f"{path} is not a file")
    source = _source(connection, path)
    found = {_plain(name): name for name in source.columns}
    named = {
        ours: next((found[_plain(one)] for one in theirs if _plain(one) in found), None)
        for ours, theirs in COLUMNS.items()
    }
    missing = [COLUMNS[ours][0] for ours, name in named.items() if name is None]
    if missing:
        raise BadLog(f"{path} has no column {', '.join(missing)}; it has {', '.join(source.columns)}")
    chosen = ", ".join(f"CAST({_quoted(name)} AS VARCHAR) AS {ours}" for ours, name in named.items() if name)
    try:
        source.project(f"row_number() OVER () AS number, {chosen}").create("raw")
    except duckdb.Error as error:
        raise BadLog(f"{path} cannot be read: {_first_line(error)}") from error


def _source(connection: duckdb.DuckDBPyConnection, path: Path) -> duckdb.DuckDBPyRelation:
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            return connection.read_parquet(str(path))
        if kind == ".csv":
            return connection.from_arrow(_read_csv(path))
    except (duckdb.Error, pa.ArrowInvalid, StopIteration) as error:
        raise BadLog(f"{path} cannot be read as {kind[1:]}: {_first_line(error)}") from error
    raise BadLog(f"{path}: only .parquet and .csv are known (save a workbook as CSV first)")


def _read_csv(path: Path) -> pa.Table:
    """All columns as text. The log's own CSV edition is Latin-1; a pound sign in a description gives it away."""
    encoding = "utf-8"
    try:
        path.read_text(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"
    with path.open(encoding=encoding, newline="") as file:
        names = next(csv.reader(file))
    return pa_csv.read_csv(
        path,
        pa_csv.ReadOptions(encoding=encoding),
        pa_csv.ParseOptions(newlines_in_values=True),
        pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True),
    )


def _plain(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "").lstrip("\ufeff")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "it is empty").splitlines()[0]
