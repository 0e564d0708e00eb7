"""What the first page shows, read from gold once per version of it: a page view costs no query while nothing is new."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from deltalake import DeltaTable
from markupsafe import Markup

from lakefront.artefacts import Manifest, ModelStore
from lakefront.lake.access import connect, open_table
from lakefront.lake.tables import GOLD_DAYS, GOLD_ORDERS, GOLD_PRODUCTS
from serving.dashboards import charts, figures

_TABLES = (GOLD_DAYS, GOLD_ORDERS, GOLD_PRODUCTS)
MODELS = ("recommendation", "fraud", "pricing")


@dataclass(frozen=True)
class Overview:
    """Figures of the first page. ``today`` is None until the first pipeline run has published gold."""

    today: figures.Day | None
    yesterday: figures.Day | None
    revenue_chart: Markup
    best_sellers: list[figures.ProductFigures]
    departments: list[figures.CategoryFigures]
    currency: str
    published_at: datetime | None
    champions: list[Manifest]


class OverviewReader:
    """Reads the overview; reads again only when a gold table has a new version."""

    def __init__(self, lake_uri: str | None = None, models: ModelStore | None = None) -> None:
        self._lake_uri = lake_uri
        self._models = models or ModelStore()
        self._lock = Lock()
        self._versions: tuple[int, ...] | None = None
        self._overview: Overview | None = None

    def read(self) -> Overview:
        """The figures as of gold's newest version. Blocking: call it in a thread."""
        with self._lock:
            handles = [open_table(table, self._lake_uri) for table in _TABLES]
            versions = tuple(-1 if handle is None else handle.version() for handle in handles)
            if self._overview is None or versions != self._versions:
                self._overview = self._read(handles)
                self._versions = versions
            return self._overview

    def _read(self, handles: list[DeltaTable | None]) -> Overview:
        connection = connect(_TABLES, self._lake_uri)
        days = figures.days(connection)
        currency = figures.currency(connection)
        chart = charts.bars(
            [float(day.revenue) for day in days],
            [f"{day.day:%d %b}" for day in days],
            [f"{day.day:%a %d %b}: {day.revenue:,.2f} {currency}, {day.orders} orders" for day in days],
        )
        return Overview(
            today=days[-1] if days else None,
            yesterday=days[-2] if len(days) > 1 else None,
            revenue_chart=chart,
            best_sellers=figures.best_sellers(connection),
            departments=figures.departments(connection),
            currency=currency,
            published_at=_published_at(handles[0]),
            champions=self._champions(),
        )

    def _champions(self) -> list[Manifest]:
        versions = {model: self._models.champion(model) for model in MODELS}
        return [self._models.manifest(model, version) for model, version in versions.items() if version]


def _published_at(handle: DeltaTable | None) -> datetime | None:
    if handle is None:
        return None
    newest = handle.history(1)[0]
    return datetime.fromtimestamp(newest["timestamp"] / 1000, UTC)
