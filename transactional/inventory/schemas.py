"""Requests and answers of the inventory API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Warehouse = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_.-]+$", examples=["east"])]
Quantity = Annotated[int, Field(ge=1, le=1_000_000, examples=[3])]


class Strict(BaseModel):
    """Refuses unknown fields, so that a misspelt one is told and not ignored."""

    model_config = ConfigDict(extra="forbid")


class WarehouseStock(BaseModel):
    sku: str
    warehouse: str
    available: int
    reserved: int
    reorder_level: int
    below_reorder_level: bool


class StockAnswer(BaseModel):
    """Stock of a product, in total and by warehouse."""

    product_id: UUID
    available: int
    reserved: int
    items: list[WarehouseStock]


class QuantityRequest(Strict):
    """The quantity that a count found."""

    warehouse: Warehouse
    quantity: Annotated[int, Field(ge=0, le=100_000_000, examples=[25])]


class Receipt(Strict):
    product_id: UUID
    warehouse: Warehouse
    quantity: Quantity


class ReceiptsRequest(Strict):
    """Goods that arrived."""

    receipts: Annotated[list[Receipt], Field(min_length=1, max_length=500)]


class ReceiptsAnswer(BaseModel):
    items: list[dict[str, object]]


class ReservationLine(Strict):
    product_id: UUID
    quantity: Quantity


class ReserveRequest(Strict):
    """Stock to hold for five minutes; all lines or none."""

    items: Annotated[list[ReservationLine], Field(min_length=1, max_length=100)]


class ReservationAnswer(BaseModel):
    items: list[dict[str, object]]


class ReleaseRequest(Strict):
    reservation_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]


class ReleaseAnswer(BaseModel):
    released: int
