"""Requests and answers of the catalogue. Answers are rendered by SQL; their schemas here describe them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from transactional.platform.amounts import Currency, RequestedAmount, fits

MOST_PRODUCTS = 500
Sort = Literal["newest", "price"]
CategoryPath = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*){0,4}$",
        max_length=200,
        examples=["home/kitchen"],
        description="Slugs from the root, joined by '/'. What does not exist yet is created.",
    ),
]
WarehouseCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
Units = Annotated[int, Field(ge=0, le=1_000_000)]
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""PostgreSQL's text has no NUL."""

PRODUCT_EXAMPLE: dict[str, Any] = {
    "sku": "KETTLE-01",
    "title": "Enamel kettle, 1.5 l",
    "description": "Whistles when it boils.",
    "category": "home/kitchen",
    "brand": "Norrland",
    "currency": "USD",
    "price": "39.90",
    "attributes": {"colour": "blue"},
    "stock": {"main": 25},
}


class NewProduct(BaseModel):
    """A product to list."""

    model_config = ConfigDict(extra="forbid")

    sku: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    title: Annotated[Text, Field(min_length=1, max_length=500)]
    description: Annotated[Text, Field(max_length=20_000)] = ""
    category: CategoryPath
    brand: Annotated[Text, Field(min_length=1, max_length=120)] | None = None
    currency: Currency = "USD"
    price: RequestedAmount
    attributes: Annotated[dict[Text, Any], Field(max_length=100)] = Field(default_factory=dict)
    stock: Annotated[dict[WarehouseCode, Units], Field(max_length=50)] = Field(default_factory=dict)
    """Opening stock by warehouse."""

    @model_validator(mode="after")
    def _price_fits_currency(self) -> NewProduct:
        if not fits(self.price, self.currency):
            raise ValueError(f"the price {self.price} has more decimals than {self.currency} has")
        return self


class NewProducts(BaseModel):
    """Products to list, all or none."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"products": [PRODUCT_EXAMPLE]}]})

    products: Annotated[list[NewProduct], Field(min_length=1, max_length=MOST_PRODUCTS)]


class ListedProduct(BaseModel):
    """A product that was listed."""

    product_id: UUID
    sku: str


class ListedProducts(BaseModel):
    """What was listed, in the order of the request."""

    items: list[ListedProduct]


class Category(BaseModel):
    """A category of the tree."""

    category_id: UUID
    path: str
    name: str
    parent_id: UUID | None


class CategoryOfProduct(BaseModel):
    """Where a product stands."""

    category_id: UUID
    path: str
    name: str


class Product(BaseModel):
    """A product page."""

    product_id: UUID
    sku: str
    title: str
    description: str
    category: CategoryOfProduct
    brand: str | None
    currency: str
    price: str
    base_price: str
    available: int
    status: Literal["active", "inactive", "discontinued"]
    attributes: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    version: int


class ProductInList(BaseModel):
    """A product as lists show it."""

    product_id: UUID
    sku: str
    title: str
    category: str
    brand: str | None
    currency: str
    price: str
    base_price: str
    in_stock: bool


class ProductList(BaseModel):
    """A page of products."""

    items: list[ProductInList]
    next_cursor: str | None


class CategoryList(BaseModel):
    """All categories."""

    items: list[Category]
    next_cursor: str | None
