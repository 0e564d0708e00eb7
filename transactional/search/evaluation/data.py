"""Products and clicks out of Parquet or CSV files, whatever their columns are called."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

import duckdb

from transactional.search.evaluation.click_model import Shown
from transactional.search.index import ProductDocument

_PRODUCT_COLUMNS = {
    "id": ("product_id", "upc", "sku", "id"),
    "title": ("title", "name"),
    "brand": ("brand", "manufacturer"),
    "category": ("category", "category_path"),
    "description": ("description", "long_description"),
    "summary": ("short_description", "summary"),
}
_CLICK_COLUMNS = {
    "view": ("view", "sess_id", "session_id"),
    "query": ("query",),
    "rank": ("rank", "position"),
    "product": ("product_id", "clicked_doc_id", "doc_id"),
    "clicked": ("clicked", "was_clicked"),
}


class BadFile(ValueError):
    """A file that lacks what an evaluation needs."""


def read_products(path: Path) -> list[ProductDocument]:
    """The products, each id once. Entities of HTML are read as what they stand for. Raises BadFile."""
    found: dict[str, ProductDocument] = {}
    for product_id, title, brand, category, description, summary in _rows(path, _PRODUCT_COLUMNS, {"id", "title"}):
        if product_id is None or not title or str(product_id) in found:
            continue
        text = unescape(" ".join(part for part in (summary, description) if part))
        found[str(product_id)] = ProductDocument(
            id=str(product_id), title=unescape(title), description=text, brand=unescape(brand or "").strip() or None,
            category_path=str(category or ""), currency="USD", price_units=(0,), is_available=True,
            card=json.dumps({"product_id": str(product_id)}),
        )  # fmt: skip
    if not found:
        raise BadFile(f"{path} has no product")
    return list(found.values())


def read_clicks(path: Path) -> list[Shown]:
    """The log in the order of views and ranks. Raises BadFile."""
    rows = _rows(path, _CLICK_COLUMNS, set(_CLICK_COLUMNS))
    log = [
        Shown(int(view), str(query), int(rank), str(product), bool(clicked))
        for view, query, rank, product, clicked in rows
    ]
    if not log:
        raise BadFile(f"{path} has no click")
    return sorted(log, key=lambda shown: (shown.view, shown.query, shown.rank))


def _rows(path: Path, columns: dict[str, tuple[str, ...]], needed: set[str]) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        try:
            table = connection.read_csv(str(path)) if path.suffix == ".csv" else connection.read_parquet(str(path))
        except duckdb.Error as error:
            raise BadFile(f"{path} cannot be read: {error}") from error
        chosen: list[str] = []
        for name, candidates in columns.items():
            known = next((each for each in candidates if each in table.columns), None)
            if known is None and name in needed:
                raise BadFile(f"{path} has no column for {name}: one of {', '.join(candidates)}")
            chosen.append("NULL" if known is None else f'"{known}"')
        return table.project(", ".join(chosen)).fetchall()
