"""Rows of a catalogue file become products: each row one, or rows that name the same parent the variants of one.

Rows of one product follow one another. The first gives what is the product's (title, category, brand …); a row whose own SKU
is the parent's and that chooses nothing describes the product alone. What differs from the first row is the variant's own.
"""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from transactional.catalogue.schemas import MOST_VARIANTS, NewProduct, NewVariant
from transactional.platform.errors import field_errors

NESTED = ("attributes", "prices", "stock", "dimensions_mm", "translations", "options")
"""Fields that hold others, named with a dot: attributes.colour, prices.EUR, stock.main, translations.de.title, options.size."""
FIELDS = frozenset(NewProduct.model_fields) - {"variants"} | {"parent", "options"}
_FOR_PEOPLE = ("title", "description", "brand", "attributes", "translations", "options")
"""Fields in which HTML's entities are written out: Apple&#xAE; is Apple®."""
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_OF_THE_PRODUCT = ("title", "category", "currency")
_OF_THE_PRICE = ("price", "prices")
"""What a variant's row need not repeat."""


class BadFile(ValueError):
    """The file or its mapping cannot be used; the message is for people."""


class BadRow(ValueError):
    """A row that cannot stand where it stands; the message is for people."""


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """Where a product's fields come from: columns of the file (of several the first that is filled), or one value for all."""

    columns: Mapping[str, Sequence[str]]
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product that may be listed, with the line of each SKU that is sold."""

    product: NewProduct
    lines: Mapping[str, int]
    left_out: Sequence[int] = ()
    """Lines of its variants that are bad: it is listed without them."""


@dataclass(slots=True)
class Family:
    """Rows that name the same parent, so far."""

    parent: str
    last_line: int
    head: NewProduct
    """What the first row says."""
    inherited: Mapping[str, Any]
    """What of it later rows need not repeat, as it is written."""
    variants: list[NewVariant] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    left_out: list[int] = field(default_factory=list)

    def add(self, number: int, product: NewProduct, options: Mapping[str, str]) -> None:
        """One variant more. Raises BadRow, ValidationError."""
        self.last_line = number
        if len(self.variants) == MOST_VARIANTS:
            raise BadRow(f"parent: {self.parent} has {MOST_VARIANTS} variants already, the most there may be")
        if product.currency != self.head.currency:
            raise BadRow(f"currency: the first row of {self.parent} says {self.head.currency}")
        if self.variants and set(options) != set(self.variants[0].options):
            raise BadRow(f"options: variants of {self.parent} choose {', '.join(self.variants[0].options)}")
        if any(one.options == options for one in self.variants):
            raise BadRow(f"options: another variant of {self.parent} chooses the same")
        own = {
            name: value
            for name, value in product.attributes.items()
            if name not in self.head.attributes or self.head.attributes[name] != value
        }
        variant = {
            "sku": product.sku,
            "options": options,
            "price": product.price,
            "prices": product.prices,
            "weight_grams": product.weight_grams,
            "dimensions_mm": product.dimensions_mm,
            "attributes": own,
            "stock": product.stock,
        }
        self.variants.append(NewVariant.model_validate(variant))
        self.lines[product.sku] = number

    def inherited_by(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What a later row has from the first one. Prices go together: a row with one of its own has those that it says."""
        names = _OF_THE_PRODUCT if "price" in fields else (*_OF_THE_PRODUCT, *_OF_THE_PRICE)
        found = {name: value for name, value in self.inherited.items() if name in names}
        if "prices" in found:
            found["prices"] = found["prices"] | fields.get("prices", {})
        return {name: value for name, value in found.items() if name == "prices" or name not in fields}

    def candidate(self) -> Candidate | None:
        """The product with its variants; none where no row was good."""
        if not self.variants:
            return None
        product = self.head.model_copy(update={"sku": self.parent, "stock": {}, "variants": self.variants})
        return Candidate(product, self.lines, self.left_out)


def read_mapping(mapped: Sequence[str], fixed: Sequence[str], columns: Sequence[str]) -> FieldMapping:
    """From `field=column` or `field=first|second` and `field=value`. Columns that are called like a field need none."""
    found: dict[str, Sequence[str]] = {name: [name] for name in columns if _is_field(name)}
    for name, source in map(_pair, mapped):
        found[name] = source.split("|")
        if missing := [one for one in found[name] if one not in columns]:
            raise BadFile(f"the file has no column {', '.join(missing)}; it has {', '.join(columns)}{_one(columns)}")
    values = dict(map(_pair, fixed))
    for required in ("sku", "title", "category", "price"):
        if required not in found and required not in values:
            raise BadFile(
                f"no column is mapped to {required}: use --map {required}=COLUMN or --set {required}=VALUE{_one(columns)}"
            )
    options = any(name.startswith("options.") for name in (*found, *values))
    if options != ("parent" in found):
        raise BadFile("variants need both: a column for parent, and for what they differ in, such as options.size")
    return FieldMapping({name: sources for name, sources in found.items() if name not in values}, values)


def _one(columns: Sequence[str]) -> str:
    """Where the delimiter may be another than was thought."""
    return "; the file has one column only: is --delimiter another?" if len(columns) == 1 else ""


def read_mapping_file(path: Path) -> tuple[list[str], list[str]]:
    """What --map and --set would say, from TOML: [columns] with field = "column" or ["first", "second"], and [values]
    with field = "value". Raises BadFile."""
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadFile(f"{path.name} cannot be read: {error}") from error
    if unknown := set(found) - {"columns", "values"}:
        raise BadFile(f"{path.name}: {', '.join(sorted(unknown))}: it has [columns] and [values] only")
    columns, values = (_flat(path, found.get(name, {})) for name in ("columns", "values"))
    return [f"{name}={source}" for name, source in columns], [f"{name}={text}" for name, text in values]


def _flat(path: Path, table: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """attributes.colour = "…" is a table in a table: as the fields are named, with a dot."""
    if not isinstance(table, dict):
        raise BadFile(f"{path.name}: {above.rstrip('.') or 'columns and values'}: is no text")
    for name, inner in table.items():
        if isinstance(inner, str | list):
            yield above + name, inner if isinstance(inner, str) else "|".join(map(str, inner))
        else:
            yield from _flat(path, inner, f"{above}{name}.")


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


def fields_of(row: Mapping[str, Any], mapping: FieldMapping) -> dict[str, Any]:
    """What a row says; empty cells say nothing."""
    found: dict[str, Any] = {}
    for name, sources in mapping.columns.items():
        text = next((text for source in sources if (text := _text(row.get(source)))), None)
        if text is not None:
            _put(found, name, text)
    for name, text in mapping.values.items():
        _put(found, name, text)
    return found


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _put(found: dict[str, Any], name: str, text: str) -> None:
    *path, last = name.split(".")
    if (path or [last])[0] in _FOR_PEOPLE:
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text).strip()
        if not text:
            return
    inner = found
    for part in path:
        inner = inner.setdefault(part, {})
    inner[last] = [one.strip() for one in text.split(",") if one.strip()] if name == "tags" else text


class Rows:
    """Makes products of rows, in the order of the file: ``ready`` holds those that are whole."""

    def __init__(self, mapping: FieldMapping) -> None:
        self.ready: list[Candidate] = []
        self._mapping = mapping
        self._seen: dict[str, int] = {}
        self._ended: dict[str, int] = {}
        self._bad_first: dict[str, int] = {}
        """The line of the first row of parents of which no row was good yet."""
        self._family: Family | None = None

    def take(self, number: int, row: Mapping[str, Any] | BadRow) -> None:
        """The next row. Raises BadRow or ValidationError for one that is left out."""
        if isinstance(row, BadRow):
            raise row
        fields = fields_of(row, self._mapping)
        parent, options = fields.pop("parent", None), fields.pop("options", {})
        if parent is None:
            self.end()
            product = NewProduct.model_validate(fields)
            self._claim(product.sku, number)
            self.ready.append(Candidate(product, {product.sku: number}))
            return
        try:
            self._take_variant(number, parent, options, fields)
        except (BadRow, ValidationError) as error:
            if self._family is not None and self._family.parent == parent:
                self._family.left_out.append(number)
                raise
            if parent in self._ended:
                raise
            first = self._bad_first.setdefault(parent, number)
            if first == number:
                raise
            raise BadRow(f"{reason_of(error)}; the first row of {parent}, line {first}, is bad") from error

    def _take_variant(self, number: int, parent: str, options: Mapping[str, str], fields: dict[str, Any]) -> None:
        if self._family is None or self._family.parent != parent:
            self.end()
            if parent in self._ended:
                raise BadRow(
                    f"parent: the rows of {parent} ended in line {self._ended[parent]}; they must stand together"
                )
        if self._family is not None:
            self._join(self._family, number, options, fields | self._family.inherited_by(fields))
            return
        inherited = {name: fields[name] for name in (*_OF_THE_PRODUCT, *_OF_THE_PRICE) if name in fields}
        if fields.get("sku") == parent and not options:
            head = NewProduct.model_validate({"price": "0"} | fields)  # its variants' rows may say what they cost
            self._claim(head.sku, number)
            self._family = Family(parent, number, head, inherited)
        else:
            family = Family(parent, number, NewProduct.model_validate(fields), inherited)
            self._join(family, number, options, fields)
            self._claim(parent, number)
            self._family = family
        if parent in self._bad_first:
            self._family.left_out.append(self._bad_first[parent])

    def end(self) -> None:
        """No row of the product that stood last comes any more."""
        family, self._family = self._family, None
        if family is None:
            return
        self._ended[family.parent] = family.last_line
        if (candidate := family.candidate()) is not None:
            self.ready.append(candidate)

    def _join(self, family: Family, number: int, options: Mapping[str, str], fields: Mapping[str, Any]) -> None:
        family.last_line = number
        if not options:
            raise BadRow("options: a variant says in what it differs from the others of its parent")
        product = NewProduct.model_validate(fields)
        if product.sku == family.parent or product.sku in self._seen:
            raise BadRow(f"sku: {product.sku} stands in line {self._seen.get(product.sku, number)} already")
        family.add(number, product, options)
        self._seen[product.sku] = number

    def _claim(self, sku: str, number: int) -> None:
        if (first := self._seen.setdefault(sku, number)) != number:
            raise BadRow(f"sku: {sku} stands in line {first} already")


def reason_of(error: BadRow | ValidationError) -> str:
    """Why a row is left out, in words."""
    if isinstance(error, BadRow):
        return str(error)
    return "; ".join(
        f"{one['field']}: {one['message']}" if one["field"] else one["message"] for one in field_errors(error.errors())
    )
