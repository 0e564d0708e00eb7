"""What the first page shows, read from gold once per version of it: a page view costs no query while nothing is new."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

from deltalake import DeltaTable
from markupsafe import Markup

from lakefront.artefacts import ModelStore
from lakefront.clock import real_now
from lakefront.lake.access import connect, open_table
from lakefront.lake.tables import GOLD_CUSTOMERS, GOLD_DAYS, GOLD_ORDERS, GOLD_PRODUCTS
from serving.dashboards import charts, figures
from serving.dashboards.models_in_words import ModelInWords, in_words

_TABLES = (GOLD_DAYS, GOLD_ORDERS, GOLD_PRODUCTS, GOLD_CUSTOMERS)
MODELS = ("recommendation", "fraud", "pricing")


@dataclass(frozen=True)
class Overview:
    """Figures of the first page, in one currency. ``today`` is None until the first pipeline run has published gold."""

    today: figures.Day | None
    yesterday: figures.Day | None
    revenue_chart: Markup
    best_sellers: list[figures.ProductFigures]
    departments: list[figures.CategoryFigures]
    currency: str
    currencies: list[str]
    taken_at: datetime | None
    """The business time up to which the figures reach: the latest day is not over then."""
    published_at: datetime | None
    champions: list[ModelInWords]

    @property
    def days_ahead(self) -> int:
        """By how many days business time runs ahead of the calendar, as it does after a simulation."""
        ahead = (self.taken_at - real_now()) if self.taken_at else timedelta()
        return max(0, round(ahead / timedelta(days=1)))


class OverviewReader:
    """Reads the overview; reads again only when a gold table has a new version."""

    def __init__(self, lake_uri: str | None = None, models: ModelStore | None = None) -> None:
        self._lake_uri = lake_uri
        self._models = models or ModelStore()
        self._lock = Lock()
        self._versions: tuple[int, ...] | None = None
        self._overviews: dict[str, Overview] = {}

    def read(self, currency: str = "") -> Overview:
        """The figures as of gold's newest version, in a currency that orders are in or else in the one most are in.

        Blocking: call it in a thread.
        """
        with self._lock:
            handles = [open_table(table, self._lake_uri) for table in _TABLES]
            versions = tuple(-1 if handle is None else handle.version() for handle in handles)
            if versions != self._versions:
                self._overviews, self._versions = {}, versions
            if currency not in self._overviews:
                self._overviews[currency] = self._read(handles, currency)
            return self._overviews[currency]

    def _read(self, handles: list[DeltaTable | None], wanted: str) -> Overview:
        connection = connect(_TABLES, self._lake_uri)
        currencies = figures.currencies(connection) or ["USD"]
        currency = wanted if wanted in currencies else currencies[0]
        days = figures.days(connection, currency)
        chart = charts.bars(
            [float(day.revenue) for day in days],
            [f"{day.day:%d %b}" for day in days],
            [f"{day.day:%a %d %b}: {day.revenue:,.2f} {currency}, {day.orders} orders" for day in days],
        )
        return Overview(
            today=days[-1] if days else None,
            yesterday=days[-2] if len(days) > 1 else None,
            revenue_chart=chart,
            best_sellers=figures.best_sellers(connection, currency),
            departments=figures.departments(connection, currency),
            currency=currency,
            currencies=currencies,
            taken_at=figures.taken_at(connection),
            published_at=_published_at(handles[0]),
            champions=self._champions(),
        )

    def _champions(self) -> list[ModelInWords]:
        versions = {model: self._models.champion(model) for model in MODELS}
        return [in_words(self._models.manifest(model, version)) for model, version in versions.items() if version]


def _published_at(handle: DeltaTable | None) -> datetime | None:
    if handle is None:
        return None
    newest = handle.history(1)[0]
    return datetime.fromtimestamp(newest["timestamp"] / 1000, UTC)
