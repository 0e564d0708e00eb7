"""Business days: Monday to Friday. Carriers count nothing else."""

from __future__ import annotations

from datetime import date, timedelta

_FRIDAY = 4


def is_business_day(day: date) -> bool:
    return day.weekday() <= _FRIDAY


def business_day_from(day: date) -> date:
    """The day itself, or the first business day after it."""
    return day + timedelta(days=max(0, 7 - day.weekday())) if not is_business_day(day) else day


def after_business_days(day: date, days: int) -> date:
    """So many business days later; counted from the first business day where the day itself is none."""
    start = business_day_from(day)
    weeks, rest = divmod(days, 5)
    end = start + timedelta(weeks=weeks, days=rest)
    return end + timedelta(days=2) if start.weekday() + rest > _FRIDAY else end
