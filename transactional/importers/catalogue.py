"""The import of a catalogue file: each good row becomes a product or a variant, each bad one is told with its line and the
reason.

Rows go in batches, each a transaction with its events, so that an import that was cut short goes on where it was: what is
listed already is left as it is.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from lakefront.clock import real_now
from transactional.catalogue import service as catalogue
from transactional.catalogue.attributes import mistakes
from transactional.catalogue.more_variants import add_to_family
from transactional.catalogue.schemas import NewVariant
from transactional.importers.catalogue_rows import BadFile, BadRow, Candidate, Rows, read_mapping, reason_of
from transactional.importers.store import CLOCK_OFFSET
from transactional.platform.database import Connection, Database
from transactional.platform.errors import Problem
from transactional.platform.query import value

BATCH = 1_000
LARGEST_CELL = 1_000_000
DELIMITERS = ",;\t|"
ACTOR = "import"
Said = Callable[[str], None]


@dataclass(slots=True)
class Outcome:
    """What became of the rows."""

    rows: int = 0
    products: int = 0
    listed: int = 0
    """Rows that are sold now: products without variants, and variants."""
    known: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)
    """Line (the header of a CSV file is line 1; of Parquet, row 1 is the first) and reason."""
    incomplete: dict[str, list[int]] = field(default_factory=dict)
    """Products that are listed without some of their rows, which are bad: their lines."""


def read_rows(
    path: Path, delimiter: str | None = None
) -> tuple[list[str], Iterator[tuple[int, dict[str, Any] | BadRow]]]:
    """Names of the columns, and the rows with the lines that they begin in. Raises BadFile."""
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise BadFile(f"--delimiter is one character between two cells, such as ';' or TAB, and not {delimiter!r}")
    if path.suffix not in (".csv", ".parquet"):
        raise BadFile(f"{path.name}: a catalogue is a .csv or a .parquet file")
    try:
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            return list(file.schema_arrow.names), _parquet_rows(file)
        lines = _csv_rows(path, delimiter)
        return next(lines)[1], lines
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"{path.name} cannot be read: {error}") from error


def _parquet_rows(file: pq.ParquetFile) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    for batch in file.iter_batches(BATCH):
        for row in batch.to_pylist():
            number += 1
            yield number, row


def _csv_rows(path: Path, delimiter: str | None) -> Iterator[tuple[int, Any]]:
    """The header's names, then the rows; one that has not a cell for each name is bad, not the file."""
    csv.field_size_limit(LARGEST_CELL)
    with path.open(newline="", encoding="utf-8-sig") as file:
        if delimiter is None:
            delimiter = _delimiter_of(file)
        reader = csv.reader(file, delimiter=delimiter)
        names = next(reader, [])
        if len(set(names)) < len(names) or not names:
            raise csv.Error("its first line does not name the columns, each once")
        yield 1, names
        begins = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(names):
                yield begins, dict(zip(names, cells, strict=True))
            elif cells:
                yield begins, BadRow(f"has {len(cells)} cells, the header {len(names)}")
            begins = reader.line_num + 1


def _delimiter_of(file: TextIO) -> str:
    """That which makes the most names of the header: a comma where several do."""
    names: dict[str, int] = {}
    for delimiter in DELIMITERS:
        file.seek(0)
        names[delimiter] = len(next(csv.reader(file, delimiter=delimiter), []))
    file.seek(0)
    return max(DELIMITERS, key=names.__getitem__)


async def import_catalogue(
    db: Database,
    path: Path,
    mapped: Sequence[str],
    fixed: Sequence[str],
    said: Said = lambda _: None,
    delimiter: str | None = None,
) -> Outcome:
    """Take over a file. Raises BadFile, before anything is changed where its mapping is at fault."""
    columns, lines = read_rows(path, delimiter)
    rows = Rows(read_mapping(mapped, fixed, columns))
    outcome = Outcome()
    async with db.connection() as connection:
        offset = await value(connection, CLOCK_OFFSET)

    async def list_ready(at_least: int) -> None:
        if sum(len(one.lines) for one in rows.ready) < at_least:
            return
        ready, rows.ready = rows.ready, []
        await _list(db, ready, outcome, real_now() + offset)
        said(f"{outcome.rows:,} rows read, {outcome.listed:,} listed")

    try:
        for number, row in lines:
            outcome.rows += 1
            try:
                rows.take(number, row)
            except (BadRow, ValidationError) as error:
                outcome.bad.append((number, reason_of(error)))
            if outcome.rows % BATCH == 0:
                await list_ready(BATCH // 2)
        rows.end()
        await list_ready(1)
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"{path.name} cannot be read on: {error}; {outcome.listed:,} rows were listed") from error
    outcome.bad.sort()
    return outcome


async def _list(db: Database, batch: Sequence[Candidate], outcome: Outcome, now: datetime) -> None:
    """List what is good of a batch, in one transaction."""
    async with db.transaction() as connection:
        skus = {sku for one in batch for sku in (one.product.sku, *one.lines)}
        known = await catalogue.known_skus(connection, list(skus))
        checked = await _checked(connection, [one for one in batch if one.product.sku not in known], known)
        good = [one.product for one in checked.good]
        if good:
            await catalogue.add_products(connection, good, ACTOR, now)
    outcome.products += len(good)
    outcome.listed += sum(max(len(product.variants), 1) for product in good)
    outcome.bad += checked.bad
    for one in batch:
        if one.product.sku in known:
            left = [variant for variant in one.product.variants if variant.sku not in known]
            outcome.known += len(one.lines) - len(left)
            if left:
                await _add_variants(db, one, known[one.product.sku], left, outcome, now)
    bad = {number for number, _ in outcome.bad}
    standing = {*known, *(product.sku for product in good)}
    for one in batch:
        if one.product.sku in standing and (left_out := {*one.left_out, *(bad & set(one.lines.values()))}):
            outcome.incomplete[one.product.sku] = sorted(left_out)


async def _add_variants(
    db: Database, one: Candidate, product_id: UUID, new: Sequence[NewVariant], outcome: Outcome, now: datetime
) -> None:
    """Add what is new to a product that is listed already: all at once or, where that fails, each by itself."""
    try:
        async with db.transaction() as connection:
            await add_to_family(connection, product_id, new, ACTOR, now, currency=one.product.currency)
        outcome.listed += len(new)
    except Problem as problem:
        if len(new) == 1:
            reason = f"parent: {one.product.sku} is listed already, and {new[0].sku} cannot be added: {problem}"
            outcome.bad.append((one.lines[new[0].sku], reason))
            return
        for variant in new:
            await _add_variants(db, one, product_id, [variant], outcome, now)


@dataclass(frozen=True, slots=True)
class _Checked:
    good: list[Candidate]
    bad: list[tuple[int, str]]


async def _checked(connection: Connection, batch: Sequence[Candidate], known: Collection[str]) -> _Checked:
    """What obeys the schemas of its category and is new. A variant that does not leaves the others."""
    schemas = await catalogue.schemas_of(connection, {one.product.category for one in batch})
    checked = _Checked([], [])
    for one in batch:
        product = one.product
        if not product.variants:
            reason = _mistakes(product.category, product.attributes, schemas)
            if reason:
                checked.bad.append((one.lines[product.sku], reason))
            else:
                checked.good.append(one)
            continue
        kept = []
        for variant in product.variants:
            reason = _mistakes(product.category, product.attributes | variant.attributes, schemas)
            if variant.sku in known:
                reason = f"sku: {variant.sku} is listed already, not as a variant of {product.sku}"
            if reason:
                checked.bad.append((one.lines[variant.sku], reason))
            else:
                kept.append(variant)
        if kept:
            checked.good.append(Candidate(product.model_copy(update={"variants": kept}), one.lines, one.left_out))
    return checked


def _mistakes(category: str, attributes: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]]) -> str:
    return "; ".join(f"attributes: {one}" for one in mistakes(category, attributes, schemas)) if schemas else ""
