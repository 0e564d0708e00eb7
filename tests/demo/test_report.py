"""The report has the shape that is promised, and steps that fail are named without stopping the others."""

from __future__ import annotations

import io
import json
import math
from datetime import date
from pathlib import Path

from rich.console import Console

from lakefront.demo.command import _tell
from lakefront.demo.measure import BusinessDays, FraudFigures, Latencies, Reconciliation
from lakefront.demo.report import Report, Step
from lakefront.demo.stage import Live, Stage, StepFailed

SHAPE = {
    "reconciliation": {
        "orders_core", "orders_bronze", "orders_gold", "currency", "revenue_core", "revenue_gold", "revenue_by_currency",
        "events_accepted", "events_bronze", "duplicates_bronze",
    },
    "recommendations": {"users", "recall_at_20", "popularity_recall_at_20", "changed_after_click"},
    "fraud": {"orders", "frauds", "auc", "average_precision", "declined", "frauds_declined", "frauds_held"},
    "pricing": {"products", "proposals", "largest_change", "awaiting_approval"},
    "latency_ms": {"click_to_feature_p95", "click_to_bronze_p95", "recommendation_p99", "fraud_p99"},
    "latency_ms_while_training": {"click_to_feature_p95", "click_to_bronze_p95", "recommendation_p99", "fraud_p99"},
}  # fmt: skip


def console() -> Console:
    return Console(file=io.StringIO(), width=140)


def test_the_document_has_every_promised_figure(tmp_path: Path) -> None:
    report = Report(seconds=1.25, steps=[Step("start", True, 1.0, "up")])
    report.latency_ms = Latencies(1.0, 2.0, 3.0, math.nan)
    report.fraud = FraudFigures(10, 1, math.nan, 0.5, 0)
    report.write(tmp_path / "folder" / "report.json")
    document = json.loads((tmp_path / "folder" / "report.json").read_text())
    assert document["ok"] is True
    assert document["steps"] == [{"name": "start", "ok": True, "seconds": 1.0, "detail": "up"}]
    assert {name: set(document[name]) for name in SHAPE} == SHAPE
    assert document["latency_ms"]["fraud_p99"] is None, "what was not measured is null, not a number"
    assert document["fraud"]["auc"] is None


def test_a_report_without_steps_or_with_a_failed_one_is_not_ok() -> None:
    assert not Report().ok
    assert not Report(steps=[Step("a", True, 1, ""), Step("b", False, 1, "")]).ok
    assert Report(steps=[Step("a", True, 1, "")]).ok


def test_every_table_can_be_shown_even_when_nothing_was_measured() -> None:
    shown = console()
    Report().show(shown)
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "not measured" in text
    assert "click to bronze p95" in text


def test_reconciliation_names_each_fault() -> None:
    assert Reconciliation(5, 5, 5, {"USD": "10.00"}, {"USD": "10.00"}, 7, 7, 0).faults() == []
    faults = Reconciliation(5, 5, 4, {"USD": "10.00"}, {"USD": "9.99"}, 7, 8, 2).faults()
    assert len(faults) == 4
    assert "gold 4" in faults[0]
    assert "9.99 USD" in faults[1]


def test_currencies_stand_beside_each_other_and_are_never_added() -> None:
    report = Report()
    revenue = {"USD": "200843.99", "GBP": "89.72"}
    report.reconciliation = Reconciliation(5, 5, 5, revenue, revenue, 7, 7, 0)
    shown = console()
    report.show(shown)
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "89.72 GBP" in text
    assert "200,843.99 USD" in text
    document = report.as_json()["reconciliation"]
    assert (document["currency"], document["revenue_core"]) == ("USD", "200843.99")
    assert document["revenue_by_currency"]["GBP"] == {"core": "89.72", "gold": "89.72"}
    moved = Reconciliation(5, 5, 5, revenue, {"USD": "200933.71"}, 7, 7, 0)
    assert moved.faults() == ["revenue: core 89.72 GBP and 200,843.99 USD, gold 200,933.71 USD"]


async def test_a_failing_step_is_named_with_its_remedy_and_only_what_needs_it_is_left_out() -> None:
    async def holds(live: Live) -> str:
        live.share(0.5, "half")
        return "done"

    async def fails(live: Live) -> str:
        raise StepFailed("the shelf fell", "put it up again")

    async def breaks(live: Live) -> str:
        raise KeyError("surprise")

    report = Report()
    stage = Stage(console(), report)
    await stage.step("a", holds)
    await stage.step("b", fails, needs=["a"])
    await stage.step("c", holds, needs=["b"])
    await stage.step("d", breaks, remedy="ask somebody")
    await stage.step("e", holds, needs=["a"])
    assert [(step.name, step.ok) for step in report.steps] == [
        ("a", True), ("b", False), ("c", False), ("d", False), ("e", True),
    ]  # fmt: skip
    assert report.steps[1].detail == "the shelf fell — put it up again"
    assert "'b' did not hold" in report.steps[2].detail
    assert "KeyError" in report.steps[3].detail
    assert "ask somebody" in report.steps[3].detail
    assert not report.ok


def test_a_latency_beyond_the_allowed_is_marked_by_words_not_by_colour_alone() -> None:
    report = Report(seconds=2, steps=[Step("a", True, 1, "")])
    report.latency_ms = Latencies(40.0, 900.0, 64.2, 4.5)
    shown = console()
    report.show(shown)
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "beyond: 64" in text
    assert "slower than the design allows: recommendation p99 64 ms under traffic (allowed 10)" in text
    report.latency_ms = Latencies(40.0, 900.0, 6.4, 4.5)
    quiet = console()
    report.show(quiet)
    assert "slower" not in quiet.file.getvalue()  # type: ignore[attr-defined]


def test_what_became_of_every_fraud_is_told() -> None:
    found = FraudFigures(400, 25, 0.999, 0.97, 3, frauds_declined=2, frauds_held=20)
    assert found.frauds_in_words == "2 declined, 20 held for a person, 3 let through"


def test_business_days_say_that_their_clock_is_simulated() -> None:
    report = Report(business_days=BusinessDays(date(2026, 12, 11), date(2027, 1, 14), 35, True))
    shown = console()
    report.show(shown)
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "35 days by a simulated clock" in text
    assert "11 Dec 2026 – 14 Jan 2027" in text
    days = report.as_json()["business_days"]
    assert days == {"first": "2026-12-11", "last": "2027-01-14", "days": 35, "simulated": True}


async def test_a_step_is_one_line_in_a_file_and_its_seconds_stand_in_one_column() -> None:
    async def short(live: Live) -> str:
        return "done"

    async def long(live: Live) -> str:
        return "[p95] " + "much to say " * 20

    shown = console()
    stage = Stage(shown, Report())
    await stage.step("a", short)
    await stage.step("run it again under traffic", long)
    lines = [line for line in shown.file.getvalue().splitlines() if line.startswith("✓")]  # type: ignore[attr-defined]
    assert lines[0].index(" s  ") == lines[1].index(" s  ")
    assert lines[1].rstrip().endswith("[p95] " + ("much to say " * 20).rstrip())


def test_where_to_look_is_told_of_what_goes_on_serving_only(lakefront_home: Path) -> None:
    for serves in (True, False):
        shown = console()
        _tell(Report(), shown, None, serves=serves)
        text = shown.file.getvalue()  # type: ignore[attr-defined]
        assert ("Where to look" in text) is serves
        assert ("merchandiser@lakefront.example" in text) is serves, "and who signs in there"
        assert ("lakefront up" in text) is not serves
