"""The clickstream's request and answer. Events are checked one by one, so that a bad one does not take the good with it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from lakefront.contracts import STOREFRONT_TYPES
from transactional.platform.examples import EXAMPLE_PRODUCT_ID

MOST_EVENTS = 500


class Rejected(BaseModel):
    """An event that was not taken, and why."""

    index: int
    """Its place in the request, from 0."""
    code: str
    detail: str


class Accepted(BaseModel):
    """How many events are on the bus, and which were not taken."""

    accepted: int
    rejected: list[Rejected]


def _event_schema(event_type: str) -> dict[str, Any]:
    model = STOREFRONT_TYPES[event_type]
    data = model.model_json_schema(ref_template="#/components/schemas/{model}")
    data.pop("$defs", None)
    return {
        "title": event_type,
        "description": " ".join((model.__doc__ or "").split()),
        "type": "object",
        "required": ["event_type", "data"],
        "properties": {
            "event_type": {"type": "string", "const": event_type},
            "event_id": {"type": "string", "format": "uuid", "description": "UUIDv7; sent again, it counts once."},
            "occurred_at": {"type": "string", "format": "date-time", "description": "By default the time of arrival."},
            "data": data,
        },
    }


REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["events"],
                "properties": {
                    "events": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": MOST_EVENTS,
                        "items": {"oneOf": [_event_schema(event_type) for event_type in STOREFRONT_TYPES]},
                    }
                },
            },
            "example": {
                "events": [
                    {
                        "event_type": "storefront.product.viewed.v1",
                        "data": {
                            "session": "my-first-visit",
                            "product_id": EXAMPLE_PRODUCT_ID,
                            "surface": "home",
                        },
                    },
                    {
                        "event_type": "storefront.search.performed.v1",
                        "data": {"session": "my-first-visit", "query": "kettle", "results": 3},
                    },
                ]
            },
        }
    },
}
"""The request body in OpenAPI: every event type with its own data."""
