"""The catalogue's endpoints."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from transactional.catalogue import service
from transactional.catalogue.finding import Search, found_listings
from transactional.catalogue.schemas import (
    AttributeSchema,
    Brand,
    Breadcrumbs,
    CategoryList,
    CategoryPath,
    Facets,
    Language,
    LeastRating,
    ListedProducts,
    Listings,
    NamedValue,
    NewAttributeSchema,
    NewProducts,
    Product,
    ProductList,
    Seller,
    Sku,
    Sort,
    Status,
    Tag,
    Text,
)
from transactional.platform.amounts import RequestedAmount
from transactional.platform.authentication import EditorDep, MerchandiserDep
from transactional.platform.cache import rendered_response
from transactional.platform.core import CoreDep, core
from transactional.platform.cursors import Cursor
from transactional.platform.errors import Problem, responses

router = APIRouter(tags=["catalogue"])


@router.get(
    "/products/listings",  # before the product by its id, which would take the word for one
    summary="Find products whatever their status",
    response_model=Listings,
    responses=responses(401, 403, 422),
)
async def find_listings(
    core: CoreDep,
    _: MerchandiserDep,
    status: Annotated[Status | None, Query(description="`inactive`: what no shopper finds.")] = None,
    sku: Annotated[Sku | None, Query(description="Of the product or of one of its variants.")] = None,
    q: Annotated[
        Text | None, Query(max_length=100, description="Each of these words, or parts, is in title, SKU or brand.")
    ] = None,
    seller: Annotated[Seller | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Cursor = None,
) -> Response:
    """The newest first, as they are at this moment; one with variants once. A seller's people find theirs by
    `GET /api/v1/sellers/me/products`."""
    body = await found_listings(core, Search(seller, status, sku, q), limit, cursor)
    return Response(body, headers={"Cache-Control": "private, no-store"}, media_type="application/json")


@router.get(
    "/products/{product_id}",
    summary="Show a product",
    response_model=Product,
    responses=responses(404, 422),
)
async def show_product(
    request: Request,
    product_id: UUID,
    language: Annotated[Language | None, Query(description="Where it is translated to it.")] = None,
) -> Response:
    """Everything a product page needs, its variants included; a variant has a page by its own id too. Prices may lag up to
    five seconds here; checkout always uses the price in force."""
    return rendered_response(request, await service.product_page(core(request), product_id, language))


@router.get(
    "/categories",
    summary="List all categories",
    response_model=CategoryList,
    responses=responses(),
)
async def list_categories(request: Request, core: CoreDep) -> Response:
    """The whole tree, ordered by path."""
    return rendered_response(request, await service.categories(core))


def chosen(
    category: Annotated[
        CategoryPath | None, Query(description="Path of a category; those below it are included.")
    ] = None,
    price_min: Annotated[RequestedAmount | None, Query()] = None,
    price_max: Annotated[RequestedAmount | None, Query()] = None,
    rating_min: Annotated[LeastRating | None, Query()] = None,
    brand: Annotated[list[Brand] | None, Query(max_length=20, description="One of these.")] = None,
    seller: Annotated[Seller | None, Query()] = None,
    tag: Annotated[list[Tag] | None, Query(max_length=20, description="All of these.")] = None,
    attribute: Annotated[
        list[NamedValue] | None,
        Query(
            max_length=20,
            description="`name:value` of attributes and options; several values of one name: one of them.",
        ),
    ] = None,
) -> service.Filter:
    """Which products a list is of."""
    if price_min is not None and price_max is not None and price_min > price_max:
        raise Problem(422, "invalid_request", "price_min is greater than price_max")
    pairs = [tuple(one.split(":", 1)) for one in attribute or ()]
    attributes = tuple(sorted({(name, value) for name, value in pairs}))
    brands, tags = tuple(sorted(set(brand or ()))), tuple(sorted(set(tag or ())))
    return service.Filter(category, price_min, price_max, brands, seller, tags, attributes, rating_min)


Chosen = Annotated[service.Filter, Depends(chosen)]


@router.get("/products", summary="List products", response_model=ProductList, responses=responses(404, 422))
async def list_products(
    request: Request,
    core: CoreDep,
    chosen: Chosen,
    sort: Annotated[Sort, Query(description="newest, cheapest, dearest, most bought or best rated first")] = "newest",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    page: Annotated[int, Query(ge=1, le=500, description="Page number; a cursor is faster and wins over it.")] = 1,
    cursor: Cursor = None,
    language: Annotated[Language | None, Query(description="Titles in it, where there are.")] = None,
) -> Response:
    """Active products; one with variants once. `next_cursor` leads to the next page and is null on the last."""
    query = service.ListQuery(chosen, sort, limit, page, cursor, language)
    return rendered_response(request, await service.product_list(core, query))


@router.get("/facets", summary="By what a list can be narrowed", response_model=Facets, responses=responses(404, 422))
async def list_facets(request: Request, core: CoreDep, chosen: Chosen) -> Response:
    """Brands, sellers, tags, attributes and the categories below, each with how many products of the list have it. Up to a
    minute old."""
    return rendered_response(request, await service.product_facets(core, chosen))


@router.get(
    "/categories/{category_id}/breadcrumbs",
    summary="The way to a category",
    response_model=Breadcrumbs,
    responses=responses(404, 422),
)
async def show_breadcrumbs(request: Request, core: CoreDep, category_id: UUID) -> Response:
    """From the root to the category itself."""
    return rendered_response(request, await service.breadcrumbs(core, category_id))


@router.get(
    "/categories/{category_id}/attribute-schema",
    summary="Show what attributes a category asks for",
    responses=responses(404, 422),
)
async def show_attribute_schema(core: CoreDep, category_id: UUID) -> AttributeSchema:
    """Its own schema; those of the categories above it hold too."""
    return AttributeSchema.model_validate(await service.attribute_schema(core, category_id))


@router.put(
    "/categories/{category_id}/attribute-schema",
    summary="Say what attributes a category asks for",
    responses=responses(401, 403, 404, 422),
)
async def set_attribute_schema(
    core: CoreDep, caller: MerchandiserDep, category_id: UUID, new: NewAttributeSchema
) -> AttributeSchema:
    """A JSON Schema (2020-12) of the attributes of products here and below; null takes it away. Products that are listed
    already stay as they are until they are changed."""
    found = await service.set_attribute_schema(core, caller.actor, category_id, new.attribute_schema)
    return AttributeSchema.model_validate(found)


@router.post(
    "/products",
    summary="List new products",
    status_code=201,
    responses=responses(400, 401, 403, 409, 422),
)
async def add_products(core: CoreDep, caller: EditorDep, new: NewProducts) -> ListedProducts:
    """Up to 500 at once, all or none, with their variants and opening stock. Where whoever manages the shop names a seller
    that there is not yet, there is one from then on. What a seller's people list is their seller's; it stands in categories
    and warehouses that there are already."""
    return ListedProducts(items=await service.list_products(core, new.products, caller))
