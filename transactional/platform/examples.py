"""Examples of the documentation that work when tried: they name a product that the shop really has.

Descriptions and schemas use ``EXAMPLE_PRODUCT_ID``; the served document has a product's own id in its place.
"""

from __future__ import annotations

from typing import Any

EXAMPLE_PRODUCT_ID = "01920000-0000-7000-8000-000000000001"


def name_products(document: dict[str, Any]) -> None:
    """Give every product id of an OpenAPI document an example."""
    for schema in document["components"]["schemas"].values():
        _in_schema(schema)
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "product_id" and parameter.get("required"):
                    is_list = parameter["schema"].get("type") == "array"
                    parameter["example"] = [EXAMPLE_PRODUCT_ID] if is_list else EXAMPLE_PRODUCT_ID


def _in_schema(schema: dict[str, Any]) -> None:
    for name, field in schema.get("properties", {}).items():
        if name == "product_id" and field.get("format") == "uuid":
            field["examples"] = [EXAMPLE_PRODUCT_ID]
        elif name == "product_ids" and field.get("type") == "array":
            field["examples"] = [[EXAMPLE_PRODUCT_ID]]
