"""From rows of features to the model's matrix. What the features mean and how they are computed: features.definitions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.definitions import ACCOUNT, FRAUD_FEATURES, WINDOWS

_RISING = (*(f"failed_{window}" for window in WINDOWS), "_risk")
_CERTAIN = frozenset({"mail_is_disposable", "country_differs", "card_parties", "device_parties"})


def matrix(rows: pa.Table, names: Sequence[str] = FRAUD_FEATURES) -> npt.NDArray[np.float64]:
    """Feature columns in the model's order, null as NaN. Raises KeyError naming columns that are missing."""
    missing = [name for name in names if name not in rows.column_names]
    if missing:
        raise KeyError(f"the training set lacks the features {', '.join(missing)}")
    columns = [rows[name].cast(pa.float64()).to_numpy(zero_copy_only=False) for name in names]
    return np.column_stack(columns) if columns else np.empty((rows.num_rows, 0))


def monotone(names: Sequence[str] = FRAUD_FEATURES) -> list[int]:
    """1 for features of which more never means less risk, else 0.

    What is known without data need not be learnt from few frauds, and a model that a fraudster calms by failing more
    payments would be wrong however it scores.
    """
    return [int(name in _CERTAIN or name.endswith(_RISING)) for name in names]


def party(rows: pa.Table, entity: str) -> list[str | None]:
    """The identity of one kind of party for each row; None throughout where the training set does not tell."""
    columns = (entity, "user") if entity == ACCOUNT else (entity,)  # an account is known by its pseudonym
    for column in columns:
        if column in rows.column_names:
            identities: list[str | None] = rows[column].cast(pa.string()).to_pylist()
            return identities
    return [None] * rows.num_rows
