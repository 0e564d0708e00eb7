"""Requests and answers of the inventory API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from transactional.platform.examples import EXAMPLE_PRODUCT_ID
from transactional.platform.patterns import COUNTRY, pattern

Warehouse = Annotated[
    str,
    Field(
        min_length=1,
        max_length=40,
        pattern=pattern(r"^[A-Za-z0-9_.-]+$", "letters, digits, '_', '.' and '-', such as east"),
        examples=["east"],
    ),
]
Country = Annotated[str, Field(pattern=COUNTRY, examples=["US"])]
ReorderLevel = Annotated[int, Field(ge=0, le=1_000_000, examples=[10])]
VariantId = Annotated[UUID | None, Field(description="Where the product has variants: which of them.", examples=[None])]
Quantity = Annotated[int, Field(ge=1, le=1_000_000, examples=[3])]


class Strict(BaseModel):
    """Refuses unknown fields, so that a misspelt one is told and not ignored."""

    model_config = ConfigDict(extra="forbid")


class WarehouseStock(BaseModel):
    sku: str
    warehouse: str = Field(examples=["east"])
    available: int = Field(examples=[25])
    reserved: int = Field(examples=[3])
    reorder_level: int = Field(examples=[10])
    below_reorder_level: bool


class StockAnswer(BaseModel):
    """Stock of a product, in total and by warehouse."""

    product_id: UUID
    available: int = Field(examples=[25], description="What nobody has reserved: it can be ordered.")
    reserved: int = Field(examples=[3], description="What checkouts and orders hold that have not been sent.")
    in_carts: int = Field(examples=[2], description="What other shoppers put into their carts in the last 15 minutes.")
    offered: int = Field(
        examples=[23], description="What you are shown as available: without what is in others' carts."
    )
    items: list[WarehouseStock]


class WarehouseRequest(Strict):
    """Where a warehouse is and what it can do; what is left out is not known. Without coordinates it stands in the middle of
    its country."""

    name: Annotated[str, Field(min_length=1, max_length=120, examples=["East coast"])]
    country: Country | None = None
    latitude: Annotated[float, Field(ge=-90, le=90, examples=[40.7])] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180, examples=[-74.2])] | None = None
    capacity: Annotated[int, Field(ge=1, le=10_000_000, examples=[5000])] | None = Field(
        None, description="Parcels that it can send a day."
    )

    @model_validator(mode="after")
    def _whole_place(self) -> WarehouseRequest:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("name both latitude and longitude, or neither")
        return self


class WarehouseAnswer(BaseModel):
    code: str = Field(examples=["east"])
    name: str
    country: str | None
    latitude: float | None
    longitude: float | None
    capacity: int | None


class WarehouseList(BaseModel):
    items: list[WarehouseAnswer]
    next_cursor: str | None


class ReorderLevelRequest(Strict):
    """Below how many units a product is to be ordered anew."""

    reorder_level: ReorderLevel
    variant_id: VariantId = None
    warehouse: Warehouse | None = Field(None, description="All warehouses where the product lies, unless one is named.")


class LowStock(BaseModel):
    """Stock below its reorder level, with the alert that was raised when it fell."""

    sku: str
    warehouse: str
    product_id: UUID
    title: str
    available: int = Field(examples=[7])
    reorder_level: int = Field(examples=[10])
    alert_id: UUID | None
    raised_at: datetime | None


class LowStockList(BaseModel):
    items: list[LowStock]
    next_cursor: str | None


class LedgerDifference(BaseModel):
    """Stock that is not the sum of its ledger."""

    sku: str
    warehouse: str
    available: int
    ledger: int


class LedgerAnswer(BaseModel):
    """Whether the stock is the sum of its ledger everywhere."""

    balanced: bool
    differences: list[LedgerDifference]


class QuantityRequest(Strict):
    """The quantity that a count found."""

    variant_id: VariantId = None
    warehouse: Warehouse
    quantity: Annotated[int, Field(ge=0, le=100_000_000, examples=[25])]


class Receipt(Strict):
    product_id: UUID
    variant_id: VariantId = None
    warehouse: Warehouse
    quantity: Quantity


class ReceiptsRequest(Strict):
    """Goods that arrived."""

    receipts: Annotated[list[Receipt], Field(min_length=1, max_length=500)]


class ReceiptsAnswer(BaseModel):
    items: list[dict[str, object]]


class ReservationLine(Strict):
    product_id: UUID
    variant_id: VariantId = None
    quantity: Quantity


class ReserveRequest(Strict):
    """Stock to hold for five minutes; all lines or none. Lines of one product are summed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"items": [{"product_id": EXAMPLE_PRODUCT_ID, "quantity": 2}], "country": "US"}]
        },
    )

    items: Annotated[list[ReservationLine], Field(min_length=1, max_length=100)]
    country: Country | None = Field(None, description="Where the goods will go: a nearer warehouse is preferred.")


class ReservationAnswer(BaseModel):
    items: list[dict[str, object]]


class ReleaseRequest(Strict):
    reservation_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]


class ReleaseAnswer(BaseModel):
    released: int
