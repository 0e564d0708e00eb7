"""What was known of fraud at a moment: labels arrive late, by charge-backs.

At T an order is a known fraud if its charge-back occurred by T, honest if it is older than the charge-back window and has
none, and otherwise unknown. Orders that did not come about (declined by us or by the gateway, cancelled) are unknown for ever:
no charge-back can come, which says nothing of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.split import moments

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Labels:
    """Placing and charge-back times of orders, and which of them can tell anything."""

    placed_at: npt.NDArray[np.datetime64]
    charged_back_at: npt.NDArray[np.datetime64]
    tells: Mask
    window: np.timedelta64

    @classmethod
    def of(cls, rows: pa.Table, chargeback_window_days: float) -> Labels:
        """Read from a training set (placed_at, charged_back_at and, where it has it, is_sale)."""
        tells = np.ones(rows.num_rows, dtype=bool)
        if "is_sale" in rows.column_names:
            charged_back = rows["charged_back_at"].is_valid()
            tells = pc.or_(rows["is_sale"].combine_chunks(), charged_back.combine_chunks()).to_numpy(
                zero_copy_only=False
            )
        window = np.timedelta64(round(chargeback_window_days * 86_400), "s")
        return cls(moments(rows["placed_at"]), moments(rows["charged_back_at"]), tells, window)

    def frauds_known(self, at: np.datetime64) -> Mask:
        """Orders placed and charged back by then. (A missing charge-back compares as False.)"""
        return self.tells & (self.placed_at <= at) & (self.charged_back_at <= at)

    def mature(self, at: np.datetime64) -> Mask:
        """Orders whose charge-back window has passed by then."""
        return self.tells & (self.placed_at <= at - self.window)

    def trainable(self, at: np.datetime64) -> Mask:
        """Orders with a label at that time."""
        return self.frauds_known(at) | self.mature(at)
