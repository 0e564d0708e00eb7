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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tantivy import Document, FieldType, Index, IndexWriter, Query, Schema, SchemaBuilder

from lakefront.ids import new_id
from transactional.search.analysis import STEMS, WORDS, register

SCHEMA_VERSION = 1
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
_BEHIND_THE_HEAD = re.compile(r"\s(?:for|with)\s", re.IGNORECASE)


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
    builder.add_text_field("category_path", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("availability", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("currency", tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("price", indexed=True, fast=True)
    builder.add_integer_field("units_sold", indexed=True, fast=True)
    builder.add_float_field("weight", fast=True)
    builder.add_bytes_field("card", stored=True)
    return builder.build()


@dataclass(frozen=True, slots=True)
class ProductDocument:
    """A product as it is found and shown. ``card`` is what lists show of it, as finished JSON."""

    id: str
    title: str
    description: str
    brand: str | None
    category_path: str
    attributes: Mapping[str, Any]
    currency: str
    price_units: int
    is_available: bool
    card: str

    def document(self, units_sold: int) -> Document:
        """The document of the index."""
        made = Document()
        made.add_text("kind", "product")
        made.add_text("id", self.id)
        made.add_text("title", self.title)
        made.add_text("head", head(self.title))
        path = self.category_path.split("/")
        category, attributes = " ".join(path).replace("-", " "), " ".join(_texts(self.attributes))
        made.add_text("category", category)
        for depth in range(len(path)):
            made.add_text("category_path", "/".join(path[: depth + 1]))
        made.add_text("attributes", attributes)
        made.add_text("description", self.description[:MOST_DESCRIPTION])
        if self.brand:
            made.add_text("brand", self.brand)
            made.add_text("brand_name", self.brand)
        made.add_text("words", " ".join((self.title, self.brand or "", category, attributes)))
        made.add_text("availability", "in_stock" if self.is_available else "out_of_stock")
        made.add_text("currency", self.currency)
        made.add_integer("price", self.price_units)
        made.add_integer("units_sold", units_sold)
        made.add_float("weight", weight(units_sold, self.is_available))
        made.add_bytes("card", self.card.encode())
        return made


def head(title: str) -> str:
    """What stands before "for" or "with" says what a product is; what stands behind, what it fits or comes with."""
    return _BEHIND_THE_HEAD.split(title, maxsplit=1)[0]


def weight(units_sold: int, is_available: bool) -> float:
    """What a product's relevance is multiplied with: more for what sells, by its order of magnitude; less for what is gone."""
    popularity = 1 + _PER_DOUBLING * min(math.log2(1 + units_sold), _MOST_DOUBLINGS)
    return popularity * (1.0 if is_available else _OUT_OF_STOCK)


def _texts(value: Any) -> Iterable[str]:
    """The words in the values of attributes; tags are an attribute like any other."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
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
        """What the last commit says. Raises LookupError for an index without it."""
        searcher = index.searcher()
        hits = searcher.search(Query.term_query(index.schema, "id", _PROGRESS), 1).hits
        if not hits:
            raise LookupError("the index does not say how far it has read the bus")
        told = json.loads(_bytes(searcher.doc(hits[0][1]), "card"))
        offsets = {(stream, partition): offset for stream, partition, offset in told["offsets"]}
        return cls(told["bus"], offsets, dict(told["positions"]))


def _bytes(document: Document, name: str) -> bytes:
    return bytes(document.get_first(name) or b"")


class Generation:
    """One generation, opened for writing. tantivy's own lock keeps a second writer out."""

    def __init__(self, path: Path, index: Index) -> None:
        self.path = path
        self.index = register(index)
        self._writer: IndexWriter = index.writer(HEAP_BYTES, 1)

    @classmethod
    def create(cls, path: Path) -> Generation:
        """A new, empty one. Raises FileExistsError where there is something already."""
        path.mkdir(parents=True)
        return cls(path, Index(build_schema(), path=str(path)))

    @classmethod
    def open(cls, path: Path) -> Generation:
        """One that is there. Raises ValueError while another process writes it."""
        return cls(path, Index.open(str(path)))

    def put(self, documents: Iterable[tuple[str, Document | None]]) -> None:
        """Replace products by their ids; None takes one out. Nothing is seen before ``commit``."""
        for product_id, document in documents:
            self._writer.delete_documents_by_term("id", product_id)
            if document is not None:
                self._writer.add_document(document)

    def add(self, documents: Iterable[Document]) -> None:
        """Add products that are not there yet."""
        for document in documents:
            self._writer.add_document(document)

    def commit(self, progress: Progress) -> None:
        """Make what was put visible and durable, together with how far the bus was read."""
        self._writer.delete_documents_by_term("id", _PROGRESS)
        self._writer.add_document(progress.document())
        self._writer.commit()
        self.index.reload()

    def units_sold(self) -> dict[str, int]:
        """What the index holds of products that sell: units by product id."""
        searcher = self.index.searcher()
        sells = Query.range_query(self.index.schema, "units_sold", FieldType.Integer, 1, None)
        addresses = [address for _, address in searcher.search(sells, max(searcher.num_docs, 1)).hits]
        units = searcher.fast_field_values("units_sold", addresses)
        cards = (json.loads(_bytes(searcher.doc(address), "card")) for address in addresses)
        return {card["product_id"]: int(number or 0) for card, number in zip(cards, units, strict=True)}

    def close(self) -> None:
        """End the writer; what is not committed is forgotten."""
        self._writer.rollback()
        self._writer.wait_merging_threads()


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
