"""The fraud trainer on the Fraud Detection Handbook's simulated transactions, by the handbook's baseline protocol.

Train on 2018-07-25 to 07-31, test on 08-08 to 08-14, seven days of delay between, cards known as compromised removed.
The handbook's figures: logistic regression .871/.606/.291, XGBoost untuned .862/.639/.273, tuned .869/.687/.303.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from models.fraud.evaluate import area_under_curve, average_precision, card_precision
from models.fraud.train import FraudSettings, train

FEATURES = (
    "amount", "weekend", "night",
    *(f"card_{what}_{days}" for days in (1, 7, 30) for what in ("count", "amount")),
    *(f"terminal_{what}_{days}" for days in (1, 7, 30) for what in ("count", "risk")),
)  # fmt: skip
TRANSFORM = """
SELECT cast(TRANSACTION_ID AS varchar) AS order_id, cast(CUSTOMER_ID AS varchar) AS card,
    cast(TX_DATETIME AS timestamp) AT TIME ZONE 'UTC' AS placed_at, TX_FRAUD = 1 AS is_fraud,
    -- every fraud of the training week counts as known by its end, as in the handbook
    CASE WHEN TX_FRAUD = 1 THEN cast(TX_DATETIME AS timestamp) AT TIME ZONE 'UTC' END AS charged_back_at,
    TX_AMOUNT AS amount, cast(dayofweek(TX_DATETIME) IN (0, 6) AS double) AS weekend,
    cast(hour(TX_DATETIME) <= 6 AS double) AS night,
    count(*) OVER card_1 ::double AS card_count_1, avg(TX_AMOUNT) OVER card_1 AS card_amount_1,
    count(*) OVER card_7 ::double AS card_count_7, avg(TX_AMOUNT) OVER card_7 AS card_amount_7,
    count(*) OVER card_30 ::double AS card_count_30, avg(TX_AMOUNT) OVER card_30 AS card_amount_30,
    count(*) OVER t_1 ::double AS terminal_count_1, coalesce(avg(TX_FRAUD) OVER t_1, 0) AS terminal_risk_1,
    count(*) OVER t_7 ::double AS terminal_count_7, coalesce(avg(TX_FRAUD) OVER t_7, 0) AS terminal_risk_7,
    count(*) OVER t_30 ::double AS terminal_count_30, coalesce(avg(TX_FRAUD) OVER t_30, 0) AS terminal_risk_30
FROM read_parquet(?) WHERE TX_DATETIME >= '2018-06-17' AND TX_DATETIME < '2018-08-15'
WINDOW
    card_1 AS (PARTITION BY CUSTOMER_ID ORDER BY TX_TIME_SECONDS RANGE BETWEEN 86399 PRECEDING AND CURRENT ROW),
    card_7 AS (PARTITION BY CUSTOMER_ID ORDER BY TX_TIME_SECONDS RANGE BETWEEN 604799 PRECEDING AND CURRENT ROW),
    card_30 AS (PARTITION BY CUSTOMER_ID ORDER BY TX_TIME_SECONDS RANGE BETWEEN 2591999 PRECEDING AND CURRENT ROW),
    -- a terminal's frauds are known seven days later
    t_1 AS (PARTITION BY TERMINAL_ID ORDER BY TX_TIME_SECONDS RANGE BETWEEN 691199 PRECEDING AND 604800 PRECEDING),
    t_7 AS (PARTITION BY TERMINAL_ID ORDER BY TX_TIME_SECONDS RANGE BETWEEN 1209599 PRECEDING AND 604800 PRECEDING),
    t_30 AS (PARTITION BY TERMINAL_ID ORDER BY TX_TIME_SECONDS RANGE BETWEEN 3196799 PRECEDING AND 604800 PRECEDING)
"""


def _days(rows: pa.Table, first: str, last: str) -> pa.Table:
    days = rows["placed_at"].to_numpy().astype("datetime64[D]")
    return rows.filter(pa.array((days >= np.datetime64(first)) & (days <= np.datetime64(last))))


def _without_known_cards(rows: pa.Table, test: pa.Table) -> pa.Table:
    """Drop test rows of cards that are known as compromised that day: frauds up to seven days before it."""
    cards = np.array(rows["card"].to_pylist())
    days = rows["placed_at"].to_numpy().astype("datetime64[D]")
    frauds = np.array(rows["is_fraud"].to_pylist()) & (days >= np.datetime64("2018-07-25"))
    test_days = test["placed_at"].to_numpy().astype("datetime64[D]")
    test_cards = np.array(test["card"].to_pylist())
    keep = np.ones(test.num_rows, dtype=bool)
    for day in np.unique(test_days):
        known = set(cards[frauds & (days < day - np.timedelta64(7, "D"))])
        keep &= ~((test_days == day) & np.isin(test_cards, list(known)))
    return test.filter(pa.array(keep))


@pytest.mark.nightly
def test_handbook_protocol_reaches_the_handbooks_boosting(real_data: Callable[[str], Path]) -> None:
    path = real_data("fraud/handbook_transactions.parquet")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    rows = connection.sql(TRANSFORM, params=[str(path)]).to_arrow_table()
    training = _days(rows, "2018-07-25", "2018-07-31")
    test = _without_known_cards(rows, _days(rows, "2018-08-08", "2018-08-14"))
    assert (training.num_rows, int(np.sum(training["is_fraud"].to_pylist()))) == (67_240, 598)
    assert (test.num_rows, int(np.sum(test["is_fraud"].to_pylist()))) == (58_264, 385)

    model = train(
        training, datetime(2018, 8, 1, tzinfo=UTC) + timedelta(hours=1), 0.0, features=FEATURES,
        settings=FraudSettings(folds=2),
    )  # fmt: skip
    scores = model.predict(test)
    is_fraud = np.array(test["is_fraud"].to_pylist())
    days = test["placed_at"].to_numpy().astype("datetime64[D]")
    auc = area_under_curve(is_fraud, scores)
    precision = average_precision(is_fraud, scores)
    of_cards = card_precision(days, np.array(test["card"].to_pylist()), is_fraud, scores)
    print(f"AUC {auc:.3f}, average precision {precision:.3f}, card precision@100 {of_cards:.3f}")
    assert auc > 0.85
    assert precision > 0.64
    assert of_cards > 0.27
