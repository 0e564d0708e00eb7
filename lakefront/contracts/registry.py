"""Every event type by its name. An event that is not here is refused at the edge and parked by consumers."""

from __future__ import annotations

from lakefront.contracts import commerce, decisions, reviews, storefront
from lakefront.contracts.envelope import EventData

_COMMERCE: tuple[type[EventData], ...] = (
    commerce.ProductListed,
    commerce.SellerChanged,
    commerce.PriceChanged,
    commerce.CurrencyPriceChanged,
    commerce.UserRegistered,
    commerce.StockChanged,
    commerce.ReorderAlertRaised,
    commerce.OrderPlaced,
    commerce.OrderStatusChanged,
    commerce.PaymentChanged,
    reviews.ReviewChanged,
    decisions.FraudAssessed,
)
_STOREFRONT: tuple[type[EventData], ...] = (
    storefront.ProductViewed,
    storefront.ListViewed,
    storefront.CartItemAdded,
    storefront.CartItemRemoved,
    storefront.SearchPerformed,
    storefront.CheckoutStarted,
)
_DECISIONS: tuple[type[EventData], ...] = (decisions.RecommendationServed, decisions.PriceQuoted)

STOREFRONT_TYPES: dict[str, type[EventData]] = {model.event_type: model for model in _STOREFRONT}
"""Types that `POST /api/v1/events` accepts from shoppers."""

EVENT_TYPES: dict[str, type[EventData]] = {model.event_type: model for model in (*_COMMERCE, *_STOREFRONT, *_DECISIONS)}
"""All event types, by name."""


def data_model(event_type: str) -> type[EventData]:
    """The schema of an event type's data. Raises KeyError with the known names when there is none."""
    try:
        return EVENT_TYPES[event_type]
    except KeyError:
        raise KeyError(f"unknown event type {event_type!r}; known: {', '.join(sorted(EVENT_TYPES))}") from None
