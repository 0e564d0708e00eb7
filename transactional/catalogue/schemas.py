"""Requests and answers of the catalogue. Answers are rendered by SQL; their schemas here describe them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from transactional.platform.amounts import KnownCurrency, RequestedAmount, fits
from transactional.platform.patterns import SLUG, TEXT, pattern

MOST_PRODUCTS = 500
Sort = Literal["newest", "price", "price_desc", "popularity", "rating"]
CategoryPath = Annotated[
    str,
    Field(
        pattern=pattern(
            r"^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*){0,4}$",
            "a category of one to five levels in small letters, such as home/kitchen",
        ),
        max_length=200,
        examples=["home/kitchen"],
        description="Slugs from the root, joined by '/'. What does not exist yet is created.",
    ),
]
WarehouseCode = Annotated[
    str, Field(pattern=pattern(r"^[A-Za-z0-9_.-]{1,40}$", "1 to 40 letters, digits, '_', '.' and '-', such as east"))
]
Units = Annotated[int, Field(ge=0, le=1_000_000)]
Text = Annotated[str, Field(pattern=TEXT)]
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


VARIANTS_EXAMPLE: dict[str, Any] = {
    "sku": "SHIRT-01",
    "title": "Linen shirt",
    "category": "clothing/shirts",
    "price": "49.00",
    "prices": {"EUR": "45.00"},
    "tags": ["summer"],
    "translations": {"de": {"title": "Leinenhemd"}},
    "variants": [
        {"sku": "SHIRT-01-M", "options": {"size": "M", "colour": "white"}, "stock": {"main": 5}},
        {"sku": "SHIRT-01-L", "options": {"size": "L", "colour": "white"}, "price": "52.00", "weight_grams": 260},
    ],
}
SCHEMA_EXAMPLE: dict[str, Any] = {
    "type": "object",
    "properties": {"material": {"enum": ["linen", "cotton"]}, "wash_celsius": {"type": "integer", "maximum": 95}},
    "required": ["material"],
}
MOST_VARIANTS = 100
Sku = Annotated[
    str,
    Field(
        pattern=pattern(
            r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", "a SKU: 1 to 64 letters, digits, '_', '.' and '-', such as KETTLE-01"
        )
    ),
]
Attributes = Annotated[dict[Text, Any], Field(max_length=100)]
Stock = Annotated[dict[WarehouseCode, Units], Field(max_length=50)]
Prices = Annotated[
    dict[KnownCurrency, RequestedAmount],
    Field(max_length=50, description="Prices for other currencies; where none is set, the price is converted."),
]
Seller = Annotated[str, Field(pattern=SLUG, max_length=60, examples=["norrland-ab"])]
Tag = Annotated[str, Field(pattern=SLUG, max_length=40)]
Brand = Annotated[Text, Field(min_length=1, max_length=120)]
NamedValue = Annotated[
    str,
    Field(
        pattern=pattern(
            r"^[^:\x00]{1,100}:[^\x00]{1,100}$", "a name and a value joined by a colon, such as material:linen"
        ),
        examples=["material:linen"],
    ),
]
Tags = Annotated[list[Tag], Field(max_length=50)]
Weight = Annotated[int, Field(ge=1, le=100_000_000, examples=[240])]
Language = Annotated[
    str,
    Field(
        pattern=pattern(r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$", "a language's tag, such as de or pt-BR"),
        examples=["de"],
    ),
]
OptionName = Annotated[
    str,
    Field(
        pattern=pattern(
            r"^[a-z0-9]+(_[a-z0-9]+)*$", "small letters and digits, with single '_' between, such as shoe_size"
        ),
        max_length=40,
    ),
]
OptionValue = Annotated[Text, Field(min_length=1, max_length=60)]
Status = Literal["active", "inactive", "discontinued"]
LeastRating = Annotated[
    Decimal,
    Field(
        ge=1, le=5, max_digits=3, decimal_places=2, examples=["4"], description="Rated so by its reviews in the mean."
    ),
]
RatingAverage = Annotated[
    float | None, Field(examples=[4.35], description="Of its reviews, from 1 to 5; null where there is none.")
]


class Strict(BaseModel):
    """Refuses unknown fields, so that a misspelt one is told and not ignored."""

    model_config = ConfigDict(extra="forbid")


class Dimensions(Strict):
    """Of the parcel, in millimetres."""

    length: Annotated[int, Field(ge=1, le=100_000)]
    width: Annotated[int, Field(ge=1, le=100_000)]
    height: Annotated[int, Field(ge=1, le=100_000)]


class Translation(Strict):
    """What a product is called in another language."""

    title: Annotated[Text, Field(min_length=1, max_length=500)]
    description: Annotated[Text, Field(max_length=20_000)] = ""


class NewVariant(Strict):
    """A variant to list: what is not said is as its product has it."""

    sku: Sku
    options: Annotated[dict[OptionName, OptionValue], Field(min_length=1, max_length=6)]
    price: RequestedAmount | None = None
    prices: Prices = Field(default_factory=dict)
    weight_grams: Weight | None = None
    dimensions_mm: Dimensions | None = None
    attributes: Attributes = Field(default_factory=dict)
    stock: Stock = Field(default_factory=dict)


class NewProduct(BaseModel):
    """A product to list."""

    model_config = ConfigDict(extra="forbid")

    sku: Sku
    title: Annotated[Text, Field(min_length=1, max_length=500)]
    description: Annotated[Text, Field(max_length=20_000)] = ""
    category: CategoryPath
    brand: Annotated[Text, Field(min_length=1, max_length=120)] | None = None
    currency: KnownCurrency = "USD"
    price: RequestedAmount
    prices: Prices = Field(default_factory=dict)
    attributes: Attributes = Field(default_factory=dict)
    tags: Tags = Field(default_factory=list)
    seller: Seller | None = None
    weight_grams: Weight | None = None
    dimensions_mm: Dimensions | None = None
    translations: Annotated[dict[Language, Translation], Field(max_length=50)] = Field(default_factory=dict)
    stock: Stock = Field(default_factory=dict)
    """Opening stock by warehouse."""
    variants: Annotated[list[NewVariant], Field(max_length=MOST_VARIANTS)] = Field(
        default_factory=list, description="None: the product is its own only variant. Else only they are sold."
    )

    @model_validator(mode="after")
    def _price_fits_currency(self) -> NewProduct:
        own = [(self.price, self.prices)]
        for price, prices in own + [(one.price or self.price, one.prices) for one in self.variants]:
            for currency, amount in {**prices, self.currency: price}.items():
                if not fits(amount, currency):
                    raise ValueError(f"the price {amount} has more decimals than {currency} has")
            if self.currency in prices:
                raise ValueError(f"prices: the price in {self.currency}, the product's own, is `price`")
        return self

    @model_validator(mode="after")
    def _variants_differ(self) -> NewProduct:
        if not self.variants:
            return self
        if self.stock:
            raise ValueError("stock: it is of variants where there are some")
        names = set(self.variants[0].options)
        if any(set(one.options) != names for one in self.variants):
            raise ValueError("variants: each must choose the same options")
        if len({tuple(sorted(one.options.items())) for one in self.variants}) < len(self.variants):
            raise ValueError("variants: two of them choose the same")
        return self


class NewProducts(BaseModel):
    """Products to list, all or none."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"products": [PRODUCT_EXAMPLE, VARIANTS_EXAMPLE]}]}
    )

    products: Annotated[list[NewProduct], Field(min_length=1, max_length=MOST_PRODUCTS)]


CHANGE_EXAMPLE: dict[str, Any] = {
    "title": "Enamel kettle, 1.7 l",
    "attributes": {"colour": "green", "whistle": None},
    "translations": {"de": {"title": "Emaillekessel, 1,7 l"}},
}


def _without_defaults(schema: dict[str, Any]) -> None:
    """What is not named has no default: it stays. A client generated from the document must not send one."""
    schema["examples"] = [CHANGE_EXAMPLE]
    for field in schema["properties"].values():
        field.pop("default", None)


class ProductChange(Strict):
    """What is to be another; what is not named stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_defaults)

    title: Annotated[Text, Field(min_length=1, max_length=500)] = ""
    description: Annotated[Text, Field(max_length=20_000)] = ""
    category: CategoryPath = ""
    brand: Brand | None = None
    attributes: Attributes = Field(default_factory=dict, description="Those named; null takes one away.")
    tags: Tags = Field(default_factory=list)
    seller: Seller | None = None
    status: Status = "active"
    weight_grams: Weight | None = None
    dimensions_mm: Dimensions | None = None
    translations: Annotated[dict[Language, Translation | None], Field(max_length=50)] = Field(
        default_factory=dict, description="Those named; null takes one away."
    )
    version: Annotated[int, Field(ge=1)] | None = Field(
        None, description="The version that you have seen; where it is another by now, nothing is changed."
    )

    @model_validator(mode="after")
    def _says_something(self) -> ProductChange:
        if not self.model_fields_set - {"version"}:
            raise ValueError("name what is to be another")
        return self


class NewVariants(Strict):
    """More variants of a product, all or none."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"variants": VARIANTS_EXAMPLE["variants"][1:]}]}
    )

    variants: Annotated[list[NewVariant], Field(min_length=1, max_length=MOST_VARIANTS)]


class ListedProduct(BaseModel):
    """A product that was listed."""

    product_id: UUID
    sku: str
    variants: list[ListedVariant]
    """As they are sold; a product without variants is its own only one."""


class ListedVariant(BaseModel):
    """A variant that was listed."""

    variant_id: UUID
    sku: str


class ListedProducts(BaseModel):
    """What was listed, in the order of the request."""

    items: list[ListedProduct]


class NewAttributeSchema(Strict):
    """What the attributes of a category's products must be."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"attribute_schema": SCHEMA_EXAMPLE}]})

    attribute_schema: dict[str, Any] | None


class AttributeSchema(BaseModel):
    """A category's own schema of attributes."""

    category_id: UUID
    path: str
    attribute_schema: dict[str, Any] | None


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


class Crumb(BaseModel):
    """A category on the way from the root."""

    category_id: UUID
    path: str
    name: str


class ShownImage(BaseModel):
    """An image with the addresses of its sizes, WebPs that never change: at most 160, 480 and 1200 pixels a side."""

    image_id: UUID
    alt: str
    width: int
    height: int
    """Of the largest size."""
    thumbnail: Annotated[str, Field(examples=["/images/0f…c3.webp"])]
    list: str
    page: str


class Variant(BaseModel):
    """What is sold, by its own id: a size, a colour. A product without variants is its own only one."""

    variant_id: UUID
    sku: str
    options: dict[str, str]
    price: str
    base_price: str
    prices: dict[str, str]
    available: int
    status: Status
    weight_grams: int | None
    dimensions_mm: Dimensions | None
    attributes: dict[str, Any]
    images: list[ShownImage]
    """Of its own."""


class Option(BaseModel):
    """In what the variants differ, and what there is to choose."""

    name: str
    values: list[str]


class Product(BaseModel):
    """A product page. With variants, its price is that of the cheapest, and what is available the sum."""

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
    status: Status
    attributes: dict[str, Any]
    parent_id: UUID | None
    """The product whose variant this is."""
    tags: list[str]
    seller: str | None
    seller_name: str | None
    breadcrumbs: list[Crumb]
    options: list[Option]
    variants: list[Variant]
    images: list[ShownImage]
    """A variant without any shows its product's."""
    languages: list[str]
    rating_average: RatingAverage
    rating_count: int
    created_at: datetime
    updated_at: datetime
    version: int


class VariantListing(BaseModel):
    """A product or variant as who manages the shop sees it."""

    product_id: UUID
    parent_id: UUID | None
    sku: str
    title: str
    description: str
    category: str
    brand: str | None
    currency: str
    base_price: str
    price: str
    prices: dict[str, str]
    status: Status
    own_status: Status
    """What it was set to; the status is the strictest of this, its product's, and `inactive` while its seller does not sell."""
    attributes: dict[str, Any]
    options: dict[str, str]
    tags: list[str]
    seller: str | None
    weight_grams: int | None
    dimensions_mm: Dimensions | None
    translations: dict[str, Translation]
    created_at: datetime
    updated_at: datetime
    version: int


class ProductListing(VariantListing):
    """A product with its variants as who manages the shop sees them."""

    variants: list[VariantListing]


class _InList(BaseModel):
    """What each list of products shows of one."""

    product_id: UUID
    sku: str
    title: str
    category: str
    brand: str | None
    currency: str
    price: str
    base_price: str


class ListingInList(_InList):
    """A product as who may change it sees it in a list; `GET /products/{product_id}/listing` has all of it."""

    status: Status
    own_status: Status
    """What it was set to: while its seller is not active it is not shown all the same."""
    variants: int
    available: int
    """Units in all warehouses, of all variants."""
    image: ShownImage | None
    version: int
    created_at: datetime
    updated_at: datetime


class Listings(BaseModel):
    """A page of products as who may change them sees them, the newest first."""

    items: list[ListingInList]
    next_cursor: str | None


class ProductInList(_InList):
    """A product as lists show it."""

    in_stock: bool
    seller: str | None
    has_variants: bool
    """Shown at the price of its cheapest variant; one must be chosen."""
    image: ShownImage | None
    rating_average: RatingAverage
    rating_count: int


class ProductList(BaseModel):
    """A page of products."""

    items: list[ProductInList]
    next_cursor: str | None


class FacetValue(BaseModel):
    """A value that the list can be narrowed to, and to how many products."""

    value: str
    products: int


class FacetCategory(BaseModel):
    """A category directly below, and how many products of the list stand there or deeper."""

    path: str
    name: str
    products: int


class FacetAttribute(BaseModel):
    """An attribute or an option with its commonest values."""

    name: str
    values: list[FacetValue]


class FacetPrices(BaseModel):
    """From what to what the list's prices go."""

    currency: str
    lowest: str
    highest: str


class Facets(BaseModel):
    """By what a list can be narrowed."""

    products: int
    """How many there are."""
    complete: bool
    """False for a long list: its tags and attributes are counted over an even sample then, so that their numbers are
    estimates and a rare one may be missing. Categories, brands, sellers and prices are those of all products."""
    categories: list[FacetCategory]
    brands: list[FacetValue]
    """Also those that were not chosen, where `brand` was: what choosing them too would add."""
    sellers: list[FacetValue]
    tags: list[FacetValue]
    attributes: list[FacetAttribute]
    prices: list[FacetPrices]


class Breadcrumbs(BaseModel):
    """The categories from the root to one."""

    items: list[Crumb]


class CategoryList(BaseModel):
    """All categories."""

    items: list[Category]
    next_cursor: str | None
