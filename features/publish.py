"""Publishing features: what the pipelines and models found out goes to the online store and to the features' history.

Feast is imported inside the functions: it takes seconds and much memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from features import offline
from features.definitions import (
    CUSTOMER_PROFILE,
    PARTY_RISK,
    PRODUCT_PRICE,
    USER_RECOMMENDATIONS,
    VIEWS,
    View,
)
from lakefront.clock import real_now
from lakefront.lake.access import read
from lakefront.lake.tables import GOLD_CUSTOMERS, TIME

if TYPE_CHECKING:
    from feast import FeatureStore

ONLINE_BATCH = 5000
"""Rows that go to Redis in one pipeline."""


@lru_cache(maxsize=1)
def _store() -> FeatureStore:
    from features.repository import open_store

    return open_store()


def apply() -> bool:
    """Bring Feast's registry in line with this folder and make the tables of the features' history.

    Returns False when the registry already was: then Feast, which takes many seconds to import, is not needed.
    """
    from features import registry_state

    offline.ensure_tables()
    if registry_state.is_applied():
        return False
    from features import repository

    _store.cache_clear()
    repository.apply()
    registry_state.remember()
    return True


def push(view: View, rows: Sequence[Mapping[str, Any]], at: datetime) -> None:
    """Push rows (entity and features) of a stream view through its push source to the online store."""
    import pandas as pd
    from feast.data_source import PushMode

    frame = pd.DataFrame(rows, columns=[view.entity, *view.features])
    frame[offline.EVENT_TIME] = frame[offline.CREATED_TIME] = at
    _store().push(f"{view.name}_push", frame, to=PushMode.ONLINE)


def publish_recommendations(users: pa.Table, model_version: str, as_of: datetime) -> int:
    """Publish per user the ALS vector and the best items (columns user, vector, items); returns the rows written."""
    names = {"items": "product_ids"}
    users = users.rename_columns([names.get(name, name) for name in users.column_names])
    return _publish(USER_RECOMMENDATIONS, users, as_of, model_version)


def publish_risk(entity: str, scores: pa.Table, model_version: str, as_of: datetime) -> int:
    """Publish the risk of accounts, cards or devices (columns id, score); returns the rows written."""
    if entity not in PARTY_RISK:
        raise ValueError(f"no risk is kept of {entity!r}; known: {', '.join(PARTY_RISK)}")
    names = {"id": entity}
    scores = scores.rename_columns([names.get(name, name) for name in scores.column_names])
    return _publish(PARTY_RISK[entity], scores, as_of, model_version)


def publish_price_factors(factors: pa.Table, model_version: str, as_of: datetime) -> int:
    """Publish proposed price factors (columns product_id, factor, proposal_id); returns the rows written."""
    return _publish(PRODUCT_PRICE, factors, as_of, model_version)


def materialize(as_of: datetime) -> None:
    """Bring gold.customers online as it is at ``as_of``: into the features' history and, through Feast, into Redis."""
    rows = _rows(CUSTOMER_PROFILE, read(GOLD_CUSTOMERS), as_of, None)
    if not rows.num_rows:
        return
    offline.append(CUSTOMER_PROFILE, rows)
    _store().materialize(as_of - timedelta(seconds=1), as_of, feature_views=[CUSTOMER_PROFILE.name])


def _rows(view: View, table: pa.Table, as_of: datetime, model_version: str | None) -> pa.Table:
    """The table as rows of the view's history."""
    contract = offline.HISTORY[view.name].schema
    count = table.num_rows
    given: dict[str, Any] = {
        offline.EVENT_TIME: pa.array([as_of] * count, TIME),
        offline.CREATED_TIME: pa.array([real_now()] * count, TIME),
    }
    if "model_version" in contract.names and "model_version" not in table.column_names:
        given["model_version"] = pa.array([model_version] * count, pa.string())
    columns = [given[name] if name in given else table.column(name) for name in contract.names]
    return pa.table(columns, names=contract.names).cast(contract)


def _publish(
    view: View, table: pa.Table, as_of: datetime, model_version: str | None = None, lake_uri: str | None = None
) -> int:
    """Write rows to the history and to the online store. Rows of other entities stay as they are."""
    rows = _rows(view, table, as_of, model_version)
    if not rows.num_rows:
        return 0
    offline.append(view, rows, lake_uri)
    for batch in rows.to_batches(max_chunksize=ONLINE_BATCH):
        _store().write_to_online_store(VIEWS[view.name].name, df=batch.to_pandas(), allow_registry_cache=True)
    return int(rows.num_rows)
