"""The gate: baseline, champion and time budget."""

from __future__ import annotations

import time

import pytest

from models.gate import Measurement, decide, scoring_milliseconds

GOOD = Measurement("recall_at_20", challenger=0.30, baseline=0.10)


@pytest.mark.parametrize(
    ("measurement", "scoring_ms", "passes", "says"),
    [
        (GOOD, 1.0, True, "no champion"),
        (Measurement("recall_at_20", 0.10, 0.10), 1.0, False, "does not beat the baseline"),
        (Measurement("recall_at_20", 0.30, 0.10, champion=0.29), 1.0, True, "holds against the champion"),
        (Measurement("recall_at_20", 0.30, 0.10, champion=0.304), 1.0, True, "holds against the champion"),
        (Measurement("recall_at_20", 0.30, 0.10, champion=0.31), 1.0, False, "worse than the champion"),
        (Measurement("recall_at_20", 0.30, 0.10, champion_recorded=0.5), 1.0, True, "reaches 50%"),
        (Measurement("recall_at_20", 0.30, 0.10, champion_recorded=0.7), 1.0, False, "falls short"),
        (GOOD, 5.1, False, "over its budget"),
        (Measurement("deviance", 0.9, 1.0, higher_is_better=False), 1.0, True, "beats"),
        (Measurement("deviance", 1.1, 1.0, higher_is_better=False), 1.0, False, "does not beat"),
        (Measurement("deviance", 1.01, 1.0, higher_is_better=False, margin=0.02), 1.0, True, "within chance"),
        (
            Measurement("deviance", 0.9, 1.0, champion=0.8, higher_is_better=False),
            1.0,
            False,
            "worse than the champion",
        ),
    ],
)
def test_verdicts(measurement: Measurement, scoring_ms: float, passes: bool, says: str) -> None:
    verdict = decide(measurement, scoring_ms=scoring_ms, budget_ms=5.0)
    assert verdict.passed is passes
    assert says in " ".join(verdict.reasons)
    assert len(verdict.reasons) == 3, "every check leaves a sentence"
    assert verdict.as_dict()["compared"]["challenger"] == measurement.challenger


def test_a_slow_scorer_is_seen_and_waiting_does_not_count() -> None:
    def busy() -> None:
        end = time.thread_time() + 0.002
        while time.thread_time() < end:
            pass

    assert scoring_milliseconds(busy, repeats=10) >= 2.0
    assert scoring_milliseconds(lambda: time.sleep(0.005), repeats=10) < 4.0
