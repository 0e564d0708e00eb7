"""The hidden truth, kept apart in ``simulator/`` of the data folder: for evaluation alone, no part of the shop reads
it.

``orders-<run>.parquet`` says of each order placed whether it was a fraud and how; ``shoppers-<run>.parquet`` what
people like; ``products-<run>.parquet`` where products stand. ``state.json`` lets the next run go on where the last
one ended.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from simulator.market import Market
from simulator.shoppers import Shopper
from simulator.tastes import Vectors

ORDERS = pa.schema(
    [
        ("order_id", pa.string()),
        ("placed_at", pa.string()),  # business time, ISO 8601
        ("is_fraud", pa.bool_()),
        ("pattern", pa.string()),  # null: honest
        ("outcome", pa.string()),  # confirmed | review | payment_declined | order_declined
        ("card_works", pa.bool_()),  # false: the gateway refuses it whoever asks
        ("shopper", pa.int32()),  # null: a fraudster of their own
    ]
)


@dataclass(frozen=True, slots=True)
class OrderTruth:
    """What the simulator knows of an order that the shop does not."""

    order_id: str
    placed_at: str
    is_fraud: bool
    pattern: str | None
    outcome: str
    card_works: bool
    shopper: int | None


@dataclass(slots=True)
class State:
    """What the next run needs to go on."""

    runs: int = 0
    seed: int = 0
    day: int = 0
    pending_chargebacks: list[dict[str, str]] = field(default_factory=list)
    awaiting_review: list[tuple[str, bool]] = field(default_factory=list)


class TruthFile:
    """The simulator's folder of one data folder."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "simulator"
        self.folder.mkdir(parents=True, exist_ok=True)

    def state(self) -> State:
        """State after the last run; a fresh one before the first."""
        path = self.folder / "state.json"
        return State(**json.loads(path.read_text())) if path.exists() else State()

    def keep_state(self, state: State) -> None:
        draft = self.folder / "state.draft"
        draft.write_text(json.dumps(asdict(state), indent=1))
        draft.replace(self.folder / "state.json")

    def keep_orders(self, run: int, orders: Sequence[OrderTruth]) -> None:
        rows = [asdict(order) for order in orders]
        pq.write_table(pa.Table.from_pylist(rows, schema=ORDERS), self.folder / f"orders-{run:04d}.parquet")

    def keep_people(self, run: int, shoppers: Sequence[Shopper], vectors: Vectors, market: Market) -> None:
        """Tastes and products as they really are."""
        people: list[dict[str, Any]] = [
            {
                "number": shopper.number,
                "country": shopper.visitor.shipping_address["country"],
                "archetypes": shopper.archetypes,
                "taste": shopper.taste.tolist(),
                "price_sensitivity": shopper.price_sensitivity,
                "sessions_per_day": shopper.sessions_per_day,
            }
            for shopper in shoppers
        ]
        products = {
            "product_id": market.product_ids,
            "style": vectors.tolist(),
            "appeal": market.appeal.tolist(),
            "elasticity": market.elasticity.tolist(),
        }
        pq.write_table(pa.Table.from_pylist(people), self.folder / f"shoppers-{run:04d}.parquet")
        pq.write_table(pa.table(products), self.folder / f"products-{run:04d}.parquet")

    def orders(self) -> pa.Table:
        """The truth about all orders of all runs."""
        files = sorted(self.folder.glob("orders-*.parquet"))
        return pa.concat_tables([pq.read_table(file) for file in files]) if files else ORDERS.empty_table()
