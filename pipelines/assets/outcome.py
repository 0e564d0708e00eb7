"""How an asset says that it had nothing to give: it observes why and yields nothing, and what needs it is skipped."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg

SKIPPED = "skipped"
"""Name of the observation's entry that tells why."""


def skip(context: dg.AssetExecutionContext, reason: str) -> dg.AssetObservation:
    """Tell why this asset yields nothing now."""
    context.log.warning(reason)
    return dg.AssetObservation(context.asset_key, metadata={SKIPPED: reason})


def given_or_skipped(
    context: dg.AssetExecutionContext,
    make: Callable[[], Any],
    unless: tuple[type[Exception], ...],
    metadata: Callable[[Any], Mapping[str, Any]],
) -> Iterator[dg.AssetObservation | dg.Output[Any]]:
    """Yield what ``make`` returns; where it raises one of the expected exceptions, skip with its message."""
    try:
        value = make()
    except unless as reason:
        yield skip(context, str(reason))
        return
    yield dg.Output(value, metadata=metadata(value))
