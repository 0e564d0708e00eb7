"""The index on disk: its fields, its documents, and its generations.

A generation is a folder with a whole index. ``current`` names the one in force; it is replaced by a rename, so that a reader
finds the old one or the new one and never half of one. How far the bus has been read stands in a document of the index itself:
it is committed together with what was read, so that a writer that died goes on exactly where the index stands.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tantivy import Document, FieldType, Index, IndexWriter, Query, Schema, SchemaBuilder

from lakefront.ids import new_id
from lakefront.money import decimals
from lakefront.telemetry import logger
from transactional.search.analysis import STEMS, WORDS, register

SCHEMA_VERSION = 3
"""Part of a generation's name: code that needs other fields builds an index of its own, and never opens this one."""
HEAP_BYTES = 64_000_000
PRICE_UNITS = 10_000
"""Prices are whole numbers of the smallest fraction that NUMERIC(18, 4) has: ranges are exact."""
MOST_DESCRIPTION = 2_000
_CURRENT = "current"
_PROGRESS = "progress"
_OUT_OF_STOCK = 0.5
_PER_DOUBLING = 0.2
_MOST_DOUBLINGS = 16
_SEPARATOR = "\x1f"
_BEHIND_THE_HEAD = re.compile(r"\s(?:for|with)\s", re.IGNORECASE)
log = logger("search_index")


def build_schema() -> Schema:
    """The fields. Only active products are in the index."""
    builder = SchemaBuilder()
    builder.add_text_field("id", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("kind", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("title", stored=True, tokenizer_name=STEMS)
    builder.add_text_field("head", tokenizer_name=STEMS)
    builder.add_text_field("brand", tokenizer_name=STEMS)
    builder.add_text_field("category", tokenizer_name=STEMS)
    builder.add_text_field("attributes", tokenizer_name=STEMS)
    builder.add_text_field("description", stored=True, tokenizer_name=STEMS)
    builder.add_text_field("words", tokenizer_name=WORDS, index_option="freq")
    builder.add_text_field("brand_name", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("category_path", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("category_leaf", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("availability", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("seller", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("tag", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("facet", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("price_range", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("price", indexed=True, fast=True)  # those of all variants, the lowest first
    builder.add_integer_field("listed_ms", fast=True)
    builder.add_integer_field("rating", indexed=True, fast=True)  # in hundredths; none where there is no review
    builder.add_integer_field("rating_rank", fast=True)
    builder.add_integer_field("units_sold", indexed=True, fast=True)
    builder.add_float_field("weight", fast=True)
    builder.add_bytes_field("card", stored=True)
    return builder.build()


@dataclass(frozen=True, slots=True)
class ProductDocument:
    """A product, with its variants if it has some, as it is found and shown. ``card`` is what lists show of it, as finished
    JSON. SKUs find it, but are no words that suggestions and corrections know."""

    id: str
    title: str
    description: str
    brand: str | None
    category_path: str
    currency: str
    price_units: Sequence[int]
    """From the lowest to the highest."""
    is_available: bool
    card: str
    units_sold: int = 0
    listed_ms: int = 0
    rating: int | None = None
    """The average of its reviews, in hundredths of a star."""
    rating_rank: int = 0
    """What the best rated are sorted by."""
    seller: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    facets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tags: Sequence[str] = ()
    skus: Sequence[str] = ()
    translated_titles: Sequence[str] = ()
    is_active: bool = True

    def document(self) -> Document:
        """The document of the index."""
        made = Document()
        made.add_text("kind", "product")
        made.add_text("id", self.id)
        made.add_text("title", self.title)
        made.add_text("head", head(self.title))
        path = self.category_path.split("/")
        category = " ".join(path).replace("-", " ")
        made.add_text("category", category)
        made.add_text("category_leaf", self.category_path)
        for depth in range(len(path)):
            made.add_text("category_path", "/".join(path[: depth + 1]))
        described = [*_texts(self.attributes), *_texts(self.facets), *(tag.replace("-", " ") for tag in self.tags)]
        attributes = " ".join(dict.fromkeys([*described, *self.translated_titles]))
        made.add_text("attributes", " ".join((attributes, *self.skus)))
        made.add_text("description", self.description[:MOST_DESCRIPTION])
        if self.brand:
            made.add_text("brand", self.brand)
            made.add_text("brand_name", self.brand)
        made.add_text("words", " ".join((self.title, self.brand or "", category, attributes)))
        self._add_facets(made)
        made.add_integer("units_sold", self.units_sold)
        made.add_integer("listed_ms", self.listed_ms)
        made.add_integer("rating_rank", self.rating_rank)
        if self.rating is not None:
            made.add_integer("rating", self.rating)
        made.add_float("weight", stored_weight(weight(self.units_sold, self.is_available)))
        made.add_bytes("card", self.card.encode())
        return made

    def _add_facets(self, made: Document) -> None:
        made.add_text("availability", "in_stock" if self.is_available else "out_of_stock")
        if self.seller:
            made.add_text("seller", self.seller)
        for tag in self.tags:
            made.add_text("tag", tag)
        for name, values in self.facets.items():
            for value in values:
                made.add_text("facet", facet_term(name, value))
        for units in self.price_units:
            made.add_integer("price", units)
        for term in dict.fromkeys(price_range_term(self.currency, units) for units in self.price_units):
            made.add_text("price_range", term)


def head(title: str) -> str:
    """What stands before "for" or "with" says what a product is; what stands behind, what it fits or comes with."""
    return _BEHIND_THE_HEAD.split(title, maxsplit=1)[0]


def weight(units_sold: int, is_available: bool) -> float:
    """What a product's relevance is multiplied with: more for what sells, by its order of magnitude; less for what is gone."""
    popularity = 1 + _PER_DOUBLING * min(math.log2(1 + units_sold), _MOST_DOUBLINGS)
    return popularity * (1.0 if is_available else _OUT_OF_STOCK)


def stored_weight(factor: float) -> float:
    """The field's value for a factor. The engine multiplies scores with log2(2 + value), which is never below 1, so that all
    factors are told as multiples of the smallest."""
    return float(2.0 ** (factor / _OUT_OF_STOCK) - 2.0)


def facet_term(name: str, value: str) -> str:
    """An attribute or option with one of its values, as a term."""
    return f"{name}{_SEPARATOR}{value}"


def split_facet(term: str) -> tuple[str, str]:
    """Name and value of a term."""
    name, _, value = term.partition(_SEPARATOR)
    return name, value


def price_range_term(currency: str, units: int) -> str:
    """The range in which a price lies, as a term: they begin at 0, 1, 2, 5, 10, 20, 50 and so on."""
    low, high = 0, PRICE_UNITS
    while units >= high:
        digits = 10 ** (len(str(high // PRICE_UNITS)) - 1)
        low, high = high, PRICE_UNITS * digits * {1: 2, 2: 5, 5: 10}[high // PRICE_UNITS // digits]
    return _SEPARATOR.join((currency, str(low), str(high - PRICE_UNITS // 10 ** decimals(currency))))


def split_price_range(term: str) -> tuple[str, Decimal, Decimal]:
    """Currency, lowest and highest amount of a range: asking for prices from one to the other finds what is counted."""
    currency, low, high = term.split(_SEPARATOR)
    return currency, Decimal(low) / PRICE_UNITS, Decimal(high) / PRICE_UNITS


def _texts(value: Any) -> Iterable[str]:
    """The words in the values of attributes; tags are an attribute like any other."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


@dataclass(slots=True)
class Progress:
    """How far the bus has been read: offsets by (stream, partition), and outbox positions by partition."""

    bus_generation: str = ""
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)

    def copy(self) -> Progress:
        return Progress(self.bus_generation, dict(self.offsets), dict(self.positions))

    def document(self) -> Document:
        made = Document()
        made.add_text("kind", _PROGRESS)
        made.add_text("id", _PROGRESS)
        offsets = [[stream, partition, offset] for (stream, partition), offset in self.offsets.items()]
        told = {"bus": self.bus_generation, "offsets": offsets, "positions": list(self.positions.items())}
        made.add_bytes("card", json.dumps(told).encode())
        return made

    @classmethod
    def of(cls, index: Index) -> Progress:
        """What the last commit says. Raises LookupError for an index without it, IndexBroken."""
        with engine_errors():
            searcher = index.searcher()
            hits = searcher.search(Query.term_query(index.schema, "id", _PROGRESS), 1).hits
            if not hits:
                raise LookupError("the index does not say how far it has read the bus")
            told = json.loads(_bytes(searcher.doc(hits[0][1]), "card"))
        offsets = {(stream, partition): offset for stream, partition, offset in told["offsets"]}
        return cls(told["bus"], offsets, dict(told["positions"]))


def _bytes(document: Document, name: str) -> bytes:
    return bytes(document.get_first(name) or b"")


class IndexLocked(RuntimeError):
    """Another process writes the index."""


class IndexBroken(RuntimeError):
    """The engine cannot make sense of the files of an index."""


class IndexNotWritten(OSError):
    """The engine could not write: mostly the disk is full. What was committed before stands."""


@contextmanager
def engine_errors(otherwise: type[Exception] = IndexBroken) -> Iterator[None]:
    """The engine says everything by ValueError, and where it panics by what is no ``Exception`` and would pass every handler.
    Here a lock that is held becomes IndexLocked, all else what is said."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, ValueError) and type(error).__name__ != "PanicException":
            raise
        if "LockBusy" in str(error):
            raise IndexLocked("another process writes the index") from error
        raise otherwise(str(error)) from error


class Generation:
    """One generation, opened for writing. tantivy's own lock keeps a second writer out."""

    def __init__(self, path: Path, index: Index) -> None:
        self.path = path
        self.index = register(index)
        with engine_errors():
            self._writer: IndexWriter = index.writer(HEAP_BYTES, 1)

    @classmethod
    def create(cls, path: Path) -> Generation:
        """A new, empty one. Raises FileExistsError where there is something already."""
        path.mkdir(parents=True)
        return cls(path, Index(build_schema(), path=str(path)))

    @classmethod
    def open(cls, path: Path) -> Generation:
        """One that is there. Raises IndexLocked and IndexBroken."""
        with engine_errors():
            index = Index.open(str(path))
        return cls(path, index)

    def put(self, documents: Iterable[tuple[str, Document | None]]) -> None:
        """Replace products by their ids; None takes one out. Nothing is seen before ``commit``."""
        with engine_errors(IndexNotWritten):
            for product_id, document in documents:
                self._writer.delete_documents_by_term("id", product_id)
                if document is not None:
                    self._writer.add_document(document)

    def add(self, documents: Iterable[Document]) -> None:
        """Add products that are not there yet."""
        with engine_errors(IndexNotWritten):
            for document in documents:
                self._writer.add_document(document)

    def commit(self, progress: Progress) -> None:
        """Make what was put visible and durable, together with how far the bus was read."""
        with engine_errors(IndexNotWritten):
            self._writer.delete_documents_by_term("id", _PROGRESS)
            self._writer.add_document(progress.document())
            self._writer.commit()
            self.index.reload()

    def units_sold(self) -> dict[str, int]:
        """What the index holds of products that sell: units by product id."""
        with engine_errors():
            searcher = self.index.searcher()
            sells = Query.range_query(self.index.schema, "units_sold", FieldType.Integer, 1, use_inverted_index=True)
            addresses = [address for _, address in searcher.search(sells, max(searcher.num_docs, 1)).hits]
            units = searcher.fast_field_values("units_sold", addresses)
            cards = (json.loads(_bytes(searcher.doc(address), "card")) for address in addresses)
            return {card["product_id"]: int(number or 0) for card, number in zip(cards, units, strict=True)}

    def close(self) -> None:
        """End the writer at once; what is not committed is forgotten, and merges under way are left to the next one. Where the
        files are damaged, or the disk is full, the writer ends, too."""
        try:
            with engine_errors():
                self._writer.rollback()
                self._writer.wait_merging_threads()
        except (IndexBroken, OSError) as error:
            log.warning("not_closed_in_order", path=str(self.path), error=str(error))
        finally:
            del self._writer

    def finish(self) -> None:
        """End the writer when the segments are merged: readers are the faster the fewer there are."""
        with engine_errors():
            self._writer.wait_merging_threads()
        del self._writer


class IndexFolder:
    """Where the generations stand, and which is in force."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def current(self) -> str | None:
        """Name of the generation in force; None where this code has none to read."""
        try:
            name = (self.root / _CURRENT).read_text().strip()
        except FileNotFoundError:
            return None
        return name if name.startswith(f"v{SCHEMA_VERSION}-") and (self.root / name).is_dir() else None

    def path(self, name: str) -> Path:
        return self.root / name

    def new_name(self) -> str:
        return f"v{SCHEMA_VERSION}-{new_id().hex}"

    def switch(self, name: str) -> None:
        """Put a generation in force, at once for everybody who looks. The one before stays, for readers under way."""
        before = self.current()
        draft = self.root / f"{_CURRENT}.{os.getpid()}"
        with draft.open("w") as file:
            file.write(name)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.root / _CURRENT)
        self._remove_all_but({name, before})

    def remove(self, name: str) -> None:
        shutil.rmtree(self.path(name), ignore_errors=True)

    def _remove_all_but(self, kept: set[str | None]) -> None:
        """Only of our own schema: another version of the code may serve beside us during an upgrade."""
        for path in self.root.glob(f"v{SCHEMA_VERSION}-*"):
            if path.name not in kept:
                self.remove(path.name)
