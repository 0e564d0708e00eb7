"""The gate between a trained model and the shop: champion, baseline and time budget.

A challenger passes when it beats the baseline on held-out data, is no worse than the champion on the same data (within a
tolerance, since two honest measurements differ by chance) and scores within its time budget. A champion that was trained on the
held-out period cannot be compared there; then the challenger must reach most of what the champion's own manifest recorded,
which catches broken data.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

RECORDED_SHARE = 0.5
"""Share of the champion's recorded figure that a challenger must reach when no fair comparison is possible."""


@dataclass(frozen=True)
class Measurement:
    """One metric on one held-out set, for everyone who took part."""

    metric: str
    challenger: float
    baseline: float
    champion: float | None = None
    """The champion on the same held-out data, None where there is none or where it was trained on that data."""
    champion_recorded: float | None = None
    """The champion's own figure from its manifest, on other held-out data."""
    higher_is_better: bool = True
    tolerance: float = 0.02
    """Relative difference to the champion that counts as chance."""
    margin: float = 0.0
    """Absolute shortfall against the baseline that counts as chance (a standard error where the metric is noisy)."""


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger may go into force, why, and what was compared."""

    passed: bool
    reasons: list[str]
    compared: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def decide(measurement: Measurement, *, scoring_ms: float, budget_ms: float) -> Verdict:
    """Pass or refuse a challenger. Every check leaves a sentence, also the ones that it passed."""
    checks = [_baseline(measurement), _champion(measurement), _budget(scoring_ms, budget_ms)]
    compared = asdict(measurement) | {"scoring_ms": round(scoring_ms, 4), "budget_ms": budget_ms}
    return Verdict(all(ok for ok, _ in checks), [sentence for _, sentence in checks], compared)


def scoring_milliseconds(score: Callable[[], object], repeats: int = 60) -> float:
    """95th percentile of the CPU time of one scoring call, after warming up.

    CPU time of the calling thread and not wall time: a model must not fail because training kept the machine busy.
    """
    for _ in range(5):
        score()
    taken = []
    for _ in range(repeats):
        start = time.thread_time_ns()
        score()
        taken.append(time.thread_time_ns() - start)
    return sorted(taken)[int(0.95 * repeats)] / 1e6


def _baseline(m: Measurement) -> tuple[bool, str]:
    shortfall = m.baseline - m.challenger if m.higher_is_better else m.challenger - m.baseline
    ok = shortfall < 0 if m.margin == 0 else shortfall <= m.margin
    relation = "beats" if shortfall < 0 else ("is within chance of" if ok else "does not beat")
    return ok, f"{m.metric} {m.challenger:.4f} {relation} the baseline's {m.baseline:.4f}"


def _champion(m: Measurement) -> tuple[bool, str]:
    if m.champion is not None:
        floor = m.champion - abs(m.champion) * m.tolerance if m.higher_is_better else m.champion + abs(
            m.champion
        ) * m.tolerance  # fmt: skip
        ok = m.challenger >= floor if m.higher_is_better else m.challenger <= floor
        relation = "holds against" if ok else "is worse than"
        return ok, f"{m.metric} {m.challenger:.4f} {relation} the champion's {m.champion:.4f} on the same data"
    if m.champion_recorded is None:
        return True, "there is no champion to compare with"
    if not m.higher_is_better:
        return True, "the champion was trained on the held-out period and its recorded figure is of other days"
    floor = m.champion_recorded * RECORDED_SHARE
    ok = m.challenger >= floor
    relation = "reaches" if ok else "falls short of"
    return ok, (
        f"the champion was trained on the held-out period; {m.metric} {m.challenger:.4f} {relation} "
        f"{RECORDED_SHARE:.0%} of its recorded {m.champion_recorded:.4f}"
    )


def _budget(scoring_ms: float, budget_ms: float) -> tuple[bool, str]:
    ok = scoring_ms <= budget_ms
    return ok, f"scoring takes {scoring_ms:.2f} ms, {'within' if ok else 'over'} its budget of {budget_ms:g} ms"
