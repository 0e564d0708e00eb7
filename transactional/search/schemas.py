"""Requests and answers of search. Answers are put together as bytes; their schemas here describe them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from transactional.catalogue.schemas import (
    Brand,
    CategoryPath,
    Language,
    LeastRating,
    NamedValue,
    ProductInList,
    Seller,
    Tag,
    Text,
)
from transactional.platform.amounts import RequestedAmount
from transactional.search.errors import DEEPEST
from transactional.search.finding import Sort

MOST_ASKED = 20
QueryText = Annotated[Text, Field(min_length=1, max_length=200, examples=["enamel kettle"])]


class SearchRequest(BaseModel):
    """A search, as a body."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"q": "enamel kettle", "category": "home", "price_max": "50.00"}]},
    )

    q: QueryText
    category: Annotated[CategoryPath, Field(description="Path of a category; those below it are included.")] | None = (
        None
    )
    brand: Annotated[list[Brand], Field(max_length=MOST_ASKED)] = Field(
        default_factory=list, description="One of these."
    )
    seller: Seller | None = None
    tag: Annotated[list[Tag], Field(max_length=MOST_ASKED)] = Field(default_factory=list, description="All of these.")
    attribute: Annotated[list[NamedValue], Field(max_length=MOST_ASKED)] = Field(
        default_factory=list,
        description="`name:value` of attributes and options; several values of one name: one of them.",
    )
    price_min: RequestedAmount | None = None
    price_max: RequestedAmount | None = None
    rating_min: LeastRating | None = None
    in_stock: bool = False
    sort: Sort = Field("relevance", description="Best, newest, cheapest, dearest, most bought or best rated first.")
    language: Language | None = Field(None, description="Titles in it, where there are; no words are marked in these.")
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    page: Annotated[int, Field(ge=1, le=DEEPEST)] = 1
    cursor: Annotated[str, Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _prices_are_a_range(self) -> SearchRequest:
        if self.price_min is not None and self.price_max is not None and self.price_min > self.price_max:
            raise ValueError("price_min is greater than price_max")
        return self


class Highlights(BaseModel):
    """Where the words stand, as HTML: the text is escaped, the words are within <b>."""

    title: str
    description: str | None


class ProductFound(ProductInList):
    """A product as lists show it, one with variants once, with highlights."""

    highest_price: str
    """Of its dearest variant; `price` is that of the cheapest."""
    highlights: Highlights


class FacetValue(BaseModel):
    """How many of the results have a value."""

    value: str
    count: int


class AttributeValues(BaseModel):
    """An attribute or option with its commonest values."""

    name: str
    values: list[FacetValue]


class PriceRange(BaseModel):
    """How many of the results cost so much; `price_min` and `price_max` with these amounts find them."""

    currency: str
    lowest: str
    highest: str
    count: int


class SearchFacets(BaseModel):
    """Counts over all results; a product counts for each category above its own, too, and for each of its variants' options
    and prices. Those of a search with very many results may be a minute old."""

    categories: list[FacetValue]
    brands: list[FacetValue]
    sellers: list[FacetValue]
    tags: list[FacetValue]
    attributes: list[AttributeValues]
    prices: list[PriceRange]
    availability: list[FacetValue]


class SearchResults(BaseModel):
    """A page of results."""

    items: list[ProductFound]
    match: Literal["all_words", "corrected", "some_words", "popular"]
    """How they were found. `popular`: nothing was, `count` is 0, and these are products that others buy."""
    count: int
    did_you_mean: str | None
    """The query with misspelt words corrected, whose results these are; null unless `match` is `corrected`."""
    facets: SearchFacets
    next_cursor: str | None


class Suggestion(BaseModel):
    """What the shopper may be about to type."""

    text: str
    products: Annotated[int, Field(description="So many does a search for the text find.")]


class Suggestions(BaseModel):
    """The best first."""

    suggestions: list[Suggestion]
