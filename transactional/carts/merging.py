"""How a guest's cart joins an account's: a pure function of their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from transactional.carts.schemas import MOST_ITEMS, MOST_UNITS
from transactional.platform.query import Row


@dataclass(slots=True)
class Merged:
    """What becomes of the lines. A line that is in neither stays as it is."""

    lines: dict[UUID, tuple[int, bool]] = field(default_factory=dict)
    """Line → quantity, and whether it is saved for later."""
    absorbed: list[UUID] = field(default_factory=list)
    """The guest's lines whose product the account's cart has already."""


def merged(own: Sequence[Row], guest: Sequence[Row]) -> Merged:
    """Quantities of a product are summed. Nothing is lost: what does not fit into the cart, because it is full or in another
    currency, is saved for later."""
    plan = Merged()
    known = {line["sku"]: line for line in own}
    in_cart = [line for line in own if not line["saved_for_later"]]
    currency = in_cart[0]["currency"] if in_cart else None
    count = len(in_cart)
    for line in guest:
        same = known.get(line["sku"])
        quantity, saved = line["quantity"], line["saved_for_later"]
        if same is not None:
            plan.absorbed.append(line["id"])
            quantity, saved = _together(same, line)
        if not saved and (same is None or same["saved_for_later"]):
            saved = currency not in (None, line["currency"]) or count >= MOST_ITEMS
            count += not saved
            currency = currency if saved else line["currency"]
        plan.lines[same["id"] if same else line["id"]] = (quantity, saved)
    return plan


def _together(one: Row, other: Row) -> tuple[int, bool]:
    """Quantity of two lines of a product; where one is in the cart and the other saved, the cart's counts."""
    if one["saved_for_later"] == other["saved_for_later"]:
        return min(one["quantity"] + other["quantity"], MOST_UNITS), one["saved_for_later"]
    return (other if one["saved_for_later"] else one)["quantity"], False
