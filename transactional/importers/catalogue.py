"""The import of a catalogue file: each good row becomes a product, each bad one is told with its line and the reason.

Rows go in batches, each a transaction with its events, so that an import that was cut short goes on where it was: what is
listed already is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from pydantic import ValidationError

from lakefront.clock import real_now
from transactional.catalogue import service as catalogue
from transactional.catalogue.attributes import mistakes
from transactional.catalogue.schemas import NewProduct
from transactional.importers.store import CLOCK_OFFSET
from transactional.platform.database import Connection, Database
from transactional.platform.errors import field_errors
from transactional.platform.query import value

BATCH = 1_000
ACTOR = "import"
NESTED = ("attributes", "prices", "stock", "dimensions_mm", "translations")
"""Fields that hold others, named with a dot: attributes.colour, prices.EUR, stock.main, translations.de.title."""
FIELDS = frozenset(NewProduct.model_fields) - {"variants"}
Said = Callable[[str], None]


class BadFile(ValueError):
    """The file or its mapping cannot be used; the message is for people."""


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """Where a product's fields come from: columns of the file (of several the first that is filled), or one value for all."""

    columns: Mapping[str, Sequence[str]]
    values: Mapping[str, str]


@dataclass(slots=True)
class Outcome:
    """What became of the rows."""

    rows: int = 0
    listed: int = 0
    known: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)
    """Line (the header of a CSV file is line 1; of Parquet, row 1 is the first) and reason."""


def read_mapping(mapped: Sequence[str], fixed: Sequence[str], columns: Sequence[str]) -> FieldMapping:
    """From `field=column` or `field=first|second` and `field=value`. Columns that are called like a field need none."""
    found: dict[str, Sequence[str]] = {name: [name] for name in columns if _is_field(name)}
    for name, source in map(_pair, mapped):
        found[name] = source.split("|")
        if missing := [one for one in found[name] if one not in columns]:
            raise BadFile(f"the file has no column {', '.join(missing)}; it has {', '.join(columns)}")
    values = dict(map(_pair, fixed))
    for required in ("sku", "title", "category", "price"):
        if required not in found and required not in values:
            raise BadFile(f"no column is mapped to {required}: use --map {required}=COLUMN or --set {required}=VALUE")
    return FieldMapping({name: sources for name, sources in found.items() if name not in values}, values)


def _pair(text: str) -> tuple[str, str]:
    name, equals, source = text.partition("=")
    if not equals or not _is_field(name):
        raise BadFile(
            f"{text!r} is no FIELD=…; fields are {', '.join(sorted(FIELDS))}, such as attributes.colour=Color"
        )
    return name, source


def _is_field(name: str) -> bool:
    head, dot, rest = name.partition(".")
    return head in FIELDS and (head in NESTED) == bool(dot and rest)


def read_rows(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, Any]]]]:
    """Names of the columns, and the rows with their lines. Every cell is text. Raises BadFile."""
    try:
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            return list(file.schema_arrow.names), _numbered(file.iter_batches(BATCH), 1)
        if path.suffix == ".csv":
            names = pa_csv.open_csv(path).schema.names
            options = pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
            parsing = pa_csv.ParseOptions(newlines_in_values=True)
            return list(names), _numbered(pa_csv.open_csv(path, convert_options=options, parse_options=parsing), 2)
    except (OSError, pa.ArrowInvalid) as error:
        raise BadFile(f"{path.name} cannot be read: {error}") from error
    raise BadFile(f"{path.name}: a catalogue is a .csv or a .parquet file")


def _numbered(batches: Any, number: int) -> Iterator[tuple[int, dict[str, Any]]]:
    for batch in batches:
        for row in batch.to_pylist():
            yield number, row
            number += 1


def product_of(row: Mapping[str, Any], mapping: FieldMapping) -> NewProduct:
    """The product that a row describes; empty cells say nothing. Raises ValidationError."""
    found: dict[str, Any] = {}
    for name, sources in mapping.columns.items():
        text = next((text for source in sources if (text := _text(row.get(source)))), None)
        if text is not None:
            _put(found, name, text)
    for name, text in mapping.values.items():
        _put(found, name, text)
    return NewProduct.model_validate(found)


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _put(found: dict[str, Any], name: str, text: str) -> None:
    *path, last = name.split(".")
    inner = found
    for part in path:
        inner = inner.setdefault(part, {})
    inner[last] = [one.strip() for one in text.split(",") if one.strip()] if name == "tags" else text


async def import_catalogue(
    db: Database, path: Path, mapped: Sequence[str], fixed: Sequence[str], said: Said = lambda _: None
) -> Outcome:
    """Take over a file. Raises BadFile, before anything is changed where its mapping is at fault."""
    columns, lines = read_rows(path)
    mapping = read_mapping(mapped, fixed, columns)
    outcome = Outcome()
    seen: dict[str, int] = {}
    async with db.connection() as connection:
        offset = await value(connection, CLOCK_OFFSET)
    batch: list[tuple[int, NewProduct]] = []
    try:
        for number, row in lines:
            outcome.rows += 1
            try:
                product = product_of(row, mapping)
            except ValidationError as error:
                wrong = (f"{one['field']}: {one['message']}" for one in field_errors(error.errors()))
                outcome.bad.append((number, "; ".join(wrong)))
                continue
            if (first := seen.setdefault(product.sku, number)) != number:
                outcome.bad.append((number, f"sku: {product.sku} stands in line {first} already"))
                continue
            batch.append((number, product))
            if len(batch) == BATCH:
                await _list(db, batch, outcome, real_now() + offset)
                batch = []
                said(f"{outcome.rows:,} rows read, {outcome.listed:,} products listed")
        await _list(db, batch, outcome, real_now() + offset)
    except pa.ArrowInvalid as error:
        raise BadFile(f"{path.name} cannot be read on: {error}; {outcome.listed:,} products were listed") from error
    outcome.bad.sort()
    return outcome


async def _list(db: Database, batch: Sequence[tuple[int, NewProduct]], outcome: Outcome, now: datetime) -> None:
    if not batch:
        return
    async with db.transaction() as connection:
        known = await catalogue.known_skus(connection, [product.sku for _, product in batch])
        good, bad = await _checked(connection, [one for one in batch if one[1].sku not in known])
        if good:
            await catalogue.add_products(connection, good, ACTOR, now)
    outcome.known += len(known)
    outcome.listed += len(good)
    outcome.bad += bad


async def _checked(
    connection: Connection, batch: Sequence[tuple[int, NewProduct]]
) -> tuple[list[NewProduct], list[tuple[int, str]]]:
    """What obeys the schemas of its category, and what does not."""
    schemas = await catalogue.schemas_of(connection, {product.category for _, product in batch})
    good, bad = [], []
    for number, product in batch:
        wrong = mistakes(product.category, product.attributes, schemas) if schemas else []
        if wrong:
            bad.append((number, "; ".join(f"attributes: {one}" for one in wrong)))
        else:
            good.append(product)
    return good, bad
