"""Product-days as arrays: one row per product and day of trade, also of days on which nothing sold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.split import as_numpy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Panel:
    """Columns of equal length, sorted by product and day. ``day`` numbers days of trade: a pause does not count."""

    product_ids: list[str]
    categories: list[str]
    days: npt.NDArray[np.datetime64]
    product: Ints
    category: Ints
    """Of each row."""
    category_of: Ints
    """Of each product."""
    day: Ints
    units: Floats
    log_price: Floats
    """log(price / base price)."""
    is_exploration: Bools
    in_stock: Bools

    @property
    def rows(self) -> int:
        return len(self.units)

    def where(self, keep: Bools) -> Panel:
        """The same products and days with fewer rows."""
        return Panel(
            self.product_ids, self.categories, self.days, self.product[keep], self.category[keep], self.category_of,
            self.day[keep], self.units[keep], self.log_price[keep], self.is_exploration[keep], self.in_stock[keep],
        )  # fmt: skip

    def until(self, day: int) -> Panel:
        """The same rows where all are before this day of trade: later days are forgotten."""
        return replace(self, days=self.days[:day])


def panel(product_days: pa.Table, as_of: datetime) -> Panel:
    """Read gold's product days up to ``as_of``; the day of ``as_of`` itself is not over and left out.

    Gold has rows for days with activity only. Between a product's first such day and the last day of trade the others are
    added: nothing sold, at the price of the day before. Rows without a positive price are left out.
    """
    table = product_days.filter(pa.array(product_days["day"].to_numpy() < as_numpy(as_of).astype("datetime64[D]")))
    price, base = _floats(table["price"]), _floats(table["base_price"])
    table = table.filter(pa.array((price > 0) & (base > 0)))
    product_ids, product = np.unique(np.array(table["product_id"].to_pylist(), dtype=str), return_inverse=True)
    days, day = np.unique(table["day"].to_numpy().astype("datetime64[D]"), return_inverse=True)
    paths = np.array([path or "" for path in table["category_path"].to_pylist()], dtype=str)
    categories, category = np.unique(paths, return_inverse=True)
    category_of = np.zeros(len(product_ids), dtype=np.int64)
    category_of[product] = category

    first = np.full(len(product_ids), len(days), dtype=np.int64)
    np.minimum.at(first, product, day)
    spans = len(days) - first
    filled_product = np.repeat(np.arange(len(product_ids)), spans)
    starts = np.concatenate([[0], np.cumsum(spans)])[:-1]
    filled_day = np.arange(spans.sum()) - np.repeat(starts - first, spans)
    place = starts[product] + day - first[product]
    known = np.zeros(len(filled_day), dtype=bool)
    known[place] = True

    units = np.zeros(len(filled_day))
    units[place] = np.nan_to_num(_floats(table["units"]))
    log_price = np.zeros(len(filled_day))
    log_price[place] = np.log(_floats(table["price"]) / _floats(table["base_price"]))
    log_price = log_price[_last_known(known)]
    exploration = np.zeros(len(filled_day), dtype=bool)
    exploration[place] = np.array([bool(value) for value in table["is_exploration"].to_pylist()], dtype=bool)
    available = np.full(len(filled_day), np.nan)
    available[place] = _floats(table["available"])
    return Panel(
        product_ids.tolist(), categories.tolist(), days, filled_product, category_of[filled_product], category_of,
        filled_day, units, log_price, exploration, ~((available == 0) & (units == 0)),
    )  # fmt: skip


def _last_known(known: Bools) -> Ints:
    """For each row the place of the last known row up to it. Each product begins with a known row, so none is crossed."""
    return np.asarray(np.maximum.accumulate(np.where(known, np.arange(len(known)), 0)), dtype=np.int64)


def _floats(column: pa.ChunkedArray) -> Floats:
    """Numbers and amounts as floats, null as NaN: for estimation only, no amount leaves as a float."""
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float)
