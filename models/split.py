"""Where to cut time for an evaluation, and whether the champion may be measured beyond the cut."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.datetime64]


def moments(column: object) -> Times:
    """An arrow column of timestamps as numpy times in microseconds, UTC."""
    return np.asarray(column.to_numpy(), dtype="datetime64[us]")  # type: ignore[attr-defined]


def as_numpy(moment: datetime) -> np.datetime64:
    """An aware moment as a numpy time in UTC."""
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


def as_moment(time: np.datetime64) -> datetime:
    """A numpy time in UTC as an aware moment."""
    return datetime.fromisoformat(str(time.astype("datetime64[us]"))).replace(tzinfo=UTC)


def split_time(times: Times, held_out: float) -> np.datetime64:
    """The moment after which the given share of the events follows: counted in events, so that a pause in trade (a log of
    2011 that goes on today) does not make everything before it training data and nothing after it a test."""
    if not len(times):
        raise ValueError("no events to split")
    ordered = np.sort(times)
    place = min(len(ordered) - 1, max(0, int(len(ordered) * (1 - held_out)) - 1))
    return np.datetime64(ordered[place])


def trade_days_before(times: Times, until: np.datetime64) -> npt.NDArray[np.float64]:
    """Age of each event at ``until`` in days of trade: days without any event do not count."""
    days = times.astype("datetime64[D]")
    traded = np.unique(days[times <= until])
    return np.asarray(len(traded) - 1 - np.searchsorted(traded, days), dtype=float).clip(min=0.0)


def fair_split(times: Times, held_out: float, champion_as_of: datetime | None) -> tuple[np.datetime64, bool]:
    """The time to split at, and whether a champion trained up to ``champion_as_of`` has seen nothing beyond it.

    Where at least half the wanted test events are younger than the champion, the cut moves to its end: then challenger
    and champion are measured on events that neither saw.
    """
    cut = split_time(times, held_out)
    if champion_as_of is None:
        return cut, False
    end = as_numpy(champion_as_of)
    if end <= cut:
        return cut, True
    if np.count_nonzero(times > end) >= held_out * len(times) / 2:
        return end, True
    return cut, False
