"""What can go wrong with currencies and places."""

from __future__ import annotations

from transactional.platform.errors import Problem


class CurrencyNotAvailable(Problem):
    """There is no rate between a product's currency and the one asked for."""

    def __init__(self, currency: str) -> None:
        super().__init__(
            422, "currency_not_available", "There are no prices in this currency", f"There is no rate for {currency}."
        )


class RegionNeeded(Problem):
    """The country's taxes depend on the region, and the destination names none."""

    def __init__(self, country: str) -> None:
        super().__init__(
            422,
            "region_needed",
            "The state or province is needed",
            f"Taxes in {country} depend on it: name it as the destination's state.",
        )
