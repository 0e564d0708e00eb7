"""The report: the steps with what each took, the figures as JSON, and tables that a person enjoys reading."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lakefront.demo.measure import BusinessDays, FraudFigures, Latencies, Reconciliation
from lakefront.money import amounts_text

ALLOWED_MS = {
    "click_to_feature_p95": 1000,
    "click_to_bronze_p95": 10_000,
    "recommendation_p99": 10,
    "fraud_p99": 10,
}


@dataclass(slots=True)
class Step:
    """What became of a step of the demo."""

    name: str
    ok: bool
    seconds: float
    detail: str


@dataclass(slots=True)
class Recommendations:
    users: int = 0
    recall_at_20: float = 0.0
    popularity_recall_at_20: float = 0.0
    changed_after_click: bool = False


@dataclass(slots=True)
class Pricing:
    products: int = 0
    proposals: int = 0
    largest_change: float = 0.0
    awaiting_approval: int = 0


@dataclass(slots=True)
class Report:
    """Everything that was measured in this run."""

    seconds: float = 0.0
    steps: list[Step] = field(default_factory=list)
    reconciliation: Reconciliation = field(default_factory=lambda: Reconciliation(0, 0, 0, {}, {}, 0, 0, 0))
    recommendations: Recommendations = field(default_factory=Recommendations)
    fraud: FraudFigures = field(default_factory=lambda: FraudFigures(0, 0, math.nan, math.nan, 0))
    pricing: Pricing = field(default_factory=Pricing)
    business_days: BusinessDays | None = None
    latency_ms: Latencies | None = None
    latency_ms_while_training: Latencies | None = None

    @property
    def ok(self) -> bool:
        return bool(self.steps) and all(step.ok for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """The document of ``--report``. A figure that could not be measured is null."""
        unmeasured = Latencies(math.nan, math.nan, math.nan, math.nan)
        document = {
            "ok": self.ok,
            "seconds": round(self.seconds, 1),
            "steps": [asdict(step) for step in self.steps],
            "reconciliation": self.reconciliation.as_document(),
            "business_days": None if self.business_days is None else _dates_as_text(asdict(self.business_days)),
            "recommendations": asdict(self.recommendations),
            "fraud": asdict(self.fraud),
            "pricing": asdict(self.pricing),
            "latency_ms": asdict(self.latency_ms or unmeasured),
            "latency_ms_while_training": asdict(self.latency_ms_while_training or unmeasured),
        }
        cleaned: dict[str, Any] = _without_nan(document)
        return cleaned

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n")

    def show(self, console: Console) -> None:
        """A table for each station."""
        console.print()
        console.rule("[bold]What happened at each station")
        console.print(self._stations())
        console.print(self._latencies())
        failed = [step.name for step in self.steps if not step.ok]
        if failed:
            console.print(f"[bold red]did not hold:[/] {', '.join(failed)}")
        else:
            console.print(f"[bold green]All {len(self.steps)} steps held[/] in {self.seconds:.0f} s.")
        if beyond := self._beyond():
            # no step fails for it: how fast a loaded machine is says nothing about the loop
            console.print(f"[bold yellow]slower than the design allows:[/] {'; '.join(beyond)}")

    def _stations(self) -> Table:
        table = Table("station", "figure", "value", title="The loop", title_justify="left")
        table.columns[2].justify = "right"
        found = self.reconciliation
        clicks = [
            ("core", "clicks of this run, accepted", f"{found.events_accepted:,}"),
            ("bronze", "clicks of this run", f"{found.events_bronze:,}"),
        ]
        if not (found.events_accepted or found.events_bronze):
            clicks = []  # a second start compares before anybody has clicked
        rows: list[tuple[str, str, str]] = [
            ("core", "orders", f"{found.orders_core:,}"),
            ("bronze", "orders", f"{found.orders_bronze:,}"),
            ("gold", "orders", f"{found.orders_gold:,}"),
            ("gold", *self._business_days()),
            ("core", "revenue", _line_each(found.revenue_core)),
            ("gold", "revenue", _line_each(found.revenue_gold)),
            *clicks,
            ("bronze", "rows that stand twice", f"{found.duplicates_bronze:,}"),
            ("recommendations", "users judged", f"{self.recommendations.users:,}"),
            ("recommendations", "recall@20", f"{self.recommendations.recall_at_20:.3f}"),
            ("recommendations", "recall@20 of popularity", f"{self.recommendations.popularity_recall_at_20:.3f}"),
            ("recommendations", "change after a click", "yes" if self.recommendations.changed_after_click else "no"),
            ("fraud", "orders judged", f"{self.fraud.orders:,}"),
            ("fraud", "of them frauds", f"{self.fraud.frauds:,}"),
            ("fraud", "the model's ROC AUC", _figure(self.fraud.auc)),
            ("fraud", "the model's average precision", _figure(self.fraud.average_precision)),
            ("fraud", "frauds declined", f"{self.fraud.frauds_declined:,}"),
            ("fraud", "frauds held for a person", f"{self.fraud.frauds_held:,}"),
            ("fraud", "frauds let through", f"{self.fraud.frauds_let_through:,}"),
            ("fraud", "honest orders declined", f"{self.fraud.declined - self.fraud.frauds_declined:,}"),
            ("pricing", "products with a proposal", f"{self.pricing.products:,}"),
            (
                "pricing",
                "proposals, awaiting approval",
                f"{self.pricing.proposals:,}, {self.pricing.awaiting_approval:,}",
            ),
            ("pricing", "largest change proposed", f"{self.pricing.largest_change:.1%}"),
        ]
        before = ""
        for station, figure, value in rows:
            table.add_row("" if station == before else station, figure, value)
            before = station
        return table

    def _latencies(self) -> Table:
        table = Table(
            "milliseconds", "under traffic", "while training", "allowed", title="Latency", title_justify="left"
        )
        plain, training = _as_mapping(self.latency_ms), _as_mapping(self.latency_ms_while_training)
        for name, limit in ALLOWED_MS.items():
            measured = [_within(found.get(name), limit) for found in (plain, training)]
            table.add_row(_label(name), *measured, f"{limit:,}")
        for column in table.columns[1:]:
            column.justify = "right"
        return table

    def _business_days(self) -> tuple[str, str]:
        """How many days of trade there are and which, and whose clock says so."""
        if self.business_days is None:
            return "business days", "none"
        clock = " by a simulated clock" if self.business_days.simulated else ""
        return f"{self.business_days.days:,} days{clock}", str(self.business_days)

    def _beyond(self) -> list[str]:
        """The latencies that are beyond what the design allows, in words."""
        measured = {"under traffic": self.latency_ms, "while training": self.latency_ms_while_training}
        return [
            f"{_label(name)} {_figure(value)} ms {when} (allowed {ALLOWED_MS[name]:,})"
            for when, found in measured.items()
            for name, value in _as_mapping(found).items()
            if value > ALLOWED_MS[name]
        ]


def _line_each(amounts: dict[str, str]) -> str:
    """Amounts by currency, below each other."""
    return "\n".join(amounts_text({currency: amount}) for currency, amount in sorted(amounts.items())) or "nothing"


def _label(name: str) -> str:
    return name.replace("_", " ")


def _dates_as_text(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in values.items()}


def _as_mapping(found: Latencies | None) -> Mapping[str, float]:
    return asdict(found) if found is not None else {}


def _figure(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "not measured"
    return f"{value:.3f}" if value < 10 else f"{value:,.0f}"


def _within(value: float | None, limit: float) -> str:
    """A latency, marked where it is beyond what the design allows: by a word, since colours do not reach a file."""
    return f"[yellow]beyond: {_figure(value)}[/]" if value is not None and value > limit else _figure(value)


def _without_nan(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value
