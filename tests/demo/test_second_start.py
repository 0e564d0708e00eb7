"""A second start on a shop that has changed since gold and the models were made: by an import, by later decisions."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.progress import Progress

from lakefront.demo import measure, probes, programs
from lakefront.demo.measure import Reconciliation
from lakefront.demo.report import Report
from lakefront.demo.stage import Live, StepFailed
from lakefront.demo.steps import Demo, Options

BEHIND = Reconciliation(5, 5, 3, {"USD": "10.00", "GBP": "4.00"}, {"USD": "10.00"}, 0, 0, 0)
LEVEL = Reconciliation(5, 5, 5, {"USD": "10.00", "GBP": "4.00"}, {"USD": "10.00", "GBP": "4.00"}, 0, 0, 0)


def a_step() -> Live:
    progress = Progress(console=Console(file=io.StringIO()))
    return Live(progress, progress.add_task("reconcile"))


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Demo:
    """A demo that stands in a shop where nobody has clicked yet."""

    async def caught_up(*_: Any) -> float:
        return 0.0

    demo = Demo(Options(20, 25, 5, 1, None), Report())
    demo._client = SimpleNamespace(traffic=SimpleNamespace(events_accepted=0))  # type: ignore[assignment]
    demo._world = SimpleNamespace(shopping=SimpleNamespace(session_prefix="sim-"))  # type: ignore[assignment]
    monkeypatch.setattr(measure, "wait_for_bronze", caught_up)
    monkeypatch.setattr(measure, "business_days", lambda: None)
    return demo


async def reconcile(demo: Demo, monkeypatch: pytest.MonkeyPatch, found: list[Reconciliation]) -> tuple[str, list[str]]:
    """What the step says of these comparisons, and the commands that it ran between them."""
    ran: list[str] = []

    async def run(*arguments: str, **_: Any) -> list[str]:
        ran.append(" ".join(arguments))
        return []

    monkeypatch.setattr(programs, "lakefront", run)
    monkeypatch.setattr(measure, "reconcile", lambda *_, **__: found.pop(0))
    return await demo.reconcile(a_step()), ran


async def test_gold_takes_in_what_was_imported_since_and_then_agrees(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, lakefront_home: Path
) -> None:
    said, ran = await reconcile(demo, monkeypatch, [BEHIND, LEVEL])
    assert ran == ["pipeline run --data-only"]
    assert "4.00 GBP and 10.00 USD" in said
    assert "took them in first" in said
    assert "0 clicks" not in said


async def test_what_agrees_costs_no_pipeline(demo: Demo, monkeypatch: pytest.MonkeyPatch, lakefront_home: Path) -> None:
    _, ran = await reconcile(demo, monkeypatch, [LEVEL])
    assert ran == []


async def test_what_a_pipeline_does_not_mend_is_told(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, lakefront_home: Path
) -> None:
    with pytest.raises(StepFailed, match="gold 3"):
        await reconcile(demo, monkeypatch, [BEHIND, BEHIND])


@dataclass
class Shop:
    """Recommends what was clicked, if its model knows the product."""

    known: frozenset[str]
    clicked: list[str] = field(default_factory=list)

    async def as_visitor(self, *_: Any, **__: Any) -> Any:
        items = [{"product_id": product} for product in ["a1", *(one for one in self.clicked if one in self.known)]]
        return SimpleNamespace(ok=True, body={"items": items, "metadata": {"strategy": "popular"}})

    async def send_events(self, _visitor: Any, _session: str, events: list[dict[str, Any]]) -> None:
        self.clicked += [event["data"]["product_id"] for event in events]


async def test_the_probe_clicks_products_that_the_model_has_learnt_of() -> None:
    """New products come first in the shop's list; of them no click can tell the model anything."""
    products = ["new1", "new2", "a1", "b1", "b2"]
    market = SimpleNamespace(
        product_ids=products,
        row_of={product: row for row, product in enumerate(products)},
        category_of=np.array([0, 0, 1, 2, 2]),
    )
    shop = Shop(frozenset({"a1", "b1", "b2"}))
    world: Any = SimpleNamespace(market=market, client=shop, shopping=SimpleNamespace(new_session=lambda: "s"))
    reaction = await probes.reaction_to_clicks(world, shop.known)
    assert shop.clicked == ["b1", "b2"]
    assert reaction.changed
