"""Endpoints of changing what is listed: for who manages the shop, and a seller's people for what is theirs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from transactional.catalogue import changing
from transactional.catalogue.more_variants import add_variants
from transactional.catalogue.schemas import NewVariants, ProductChange, ProductListing
from transactional.platform.authentication import EditorDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses

router = APIRouter(tags=["catalogue"])


@router.get(
    "/products/{product_id}/listing", summary="Show a product as it is listed", responses=responses(401, 403, 404, 422)
)
async def show_listing(core: CoreDep, caller: EditorDep, product_id: UUID) -> ProductListing:
    """Whatever its status, with all its translations and prices, as it is at this moment: what to change it from."""
    return ProductListing.model_validate(await changing.listing_of(core, product_id, caller))


@router.patch("/products/{product_id}", summary="Change a product", responses=responses(400, 401, 403, 404, 409, 422))
async def change_product(core: CoreDep, caller: EditorDep, product_id: UUID, change: ProductChange) -> ProductListing:
    """What is not named stays; of attributes and translations null takes one away. Variants follow their product but for
    what they have of their own, and are changed by their own ids: status, attributes, weight and dimensions.

    An `active` product is shown and sold. An `inactive` one is out of the shop for now: its page is not found, lists and
    search leave it out, carts show it as not available and checkout refuses it. A `discontinued` one is not sold either,
    and stands in no list, but its page stays for who has bought it. A variant is never more than its product.

    A seller's people change what is their seller's; anything else is not found. While a seller is suspended, its products are
    inactive whatever they are set to.

    With `version`, a change that somebody has made since is not overwritten: 409 version_conflict. Prices are changed
    by `POST /api/v1/pricing/changes` and `PUT /api/v1/pricing/products/{product_id}/currencies/{currency}`, stock by
    `PUT /api/v1/inventory/{product_id}/quantity`."""
    return ProductListing.model_validate(await changing.change_product(core, product_id, change, caller))


@router.delete(
    "/products/{product_id}",
    status_code=204,
    summary="Discontinue a product",
    responses=responses(401, 403, 404, 409, 422),
)
async def discontinue_product(
    core: CoreDep,
    caller: EditorDep,
    product_id: UUID,
    version: Annotated[int | None, Query(ge=1, description="As in PATCH.")] = None,
) -> None:
    """It is not sold any more, nor are its variants. It is not erased: orders, invoices and prices of the past name it.
    Discontinuing it twice changes nothing."""
    await changing.change_product(core, product_id, ProductChange(status="discontinued", version=version), caller)


@router.post(
    "/products/{product_id}/variants",
    status_code=201,
    summary="Add variants to a product",
    responses=responses(400, 401, 403, 404, 409, 422),
)
async def add_more_variants(core: CoreDep, caller: EditorDep, product_id: UUID, new: NewVariants) -> ProductListing:
    """To one that was listed with some, by the same options; all or none, with their opening stock."""
    return ProductListing.model_validate(await add_variants(core, product_id, new.variants, caller))
