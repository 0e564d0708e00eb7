"""What a benchmark answers: figures, each beside its limit where it has one, as a table and as JSON."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured value. ``limit`` is what the bare engine reached in the same run, in the same unit."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def share_of_limit(self) -> float | None:
        return self.value / self.limit if self.limit else None

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": round(self.value, 4),
            "unit": self.unit,
            "limit": None if self.limit is None else round(self.limit, 4),
            "share_of_limit": None if self.share_of_limit is None else round(self.share_of_limit, 4),
        }


@dataclass
class Result:
    """All figures of one benchmark."""

    name: str
    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, limit: float | None = None) -> None:
        self.figures.append(Figure(name, value, unit, limit))

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "machine": machine(), "figures": [figure.as_json() for figure in self.figures]}

    def as_table(self) -> Table:
        table = Table(title=f"bench {self.name}", title_justify="left")
        table.add_column("figure")
        for column in ("value", "unit", "limit", "share of limit"):
            table.add_column(column, justify="right" if column != "unit" else "left")
        for figure in self.figures:
            share = figure.share_of_limit
            table.add_row(
                figure.name,
                f"{figure.value:,.2f}",
                figure.unit,
                "" if figure.limit is None else f"{figure.limit:,.2f}",
                "" if share is None else f"{share:.2f}",
            )
        return table


def machine() -> dict[str, Any]:
    """What the figures were measured on: ratios hold better than rates between machines."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")), platform.processor()
    )
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


def quantile(values: list[float], share: float) -> float:
    """The value below which ``share`` of the values lie (nearest rank). Raises ValueError when there are none."""
    if not values:
        raise ValueError("no values to take a quantile of")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
