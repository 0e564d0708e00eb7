"""The cart's endpoints: the account's cart, or the guest's by `X-Session-Id`."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from transactional.carts import service
from transactional.carts.schemas import AddItem, Cart, ChangeItem
from transactional.platform.authentication import CallerDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses

router = APIRouter(prefix="/cart", tags=["cart"])


def _answer(body: bytes, status: int = 200) -> Response:
    return Response(body, status, {"Cache-Control": "private, no-store"}, "application/json")


@router.get("", summary="Show the cart", response_model=Cart, responses=responses(400, 401))
async def show_cart(core: CoreDep, caller: CallerDep) -> Response:
    """With the prices and the stock of now, beside what was shown at the last look where that was otherwise."""
    return _answer(await service.cart(core, service.owner_of(caller)))


@router.post(
    "/items",
    summary="Put a product into the cart",
    status_code=201,
    response_model=Cart,
    responses=responses(400, 401, 404, 409, 422),
)
async def add_item(core: CoreDep, caller: CallerDep, item: AddItem) -> Response:
    """Adds to the quantity when the product is in the cart already. For 15 minutes other shoppers see these units as taken.
    Answers the whole cart."""
    body = await service.add_item(core, service.owner_of(caller), item.product_id, item.quantity, item.variant_id)
    return _answer(body, 201)


@router.put(
    "/items/{item_id}",
    summary="Change a quantity",
    response_model=Cart,
    responses=responses(400, 401, 404, 422),
)
async def change_item(core: CoreDep, caller: CallerDep, item_id: UUID, change: ChangeItem) -> Response:
    """Sets the quantity. Answers the whole cart."""
    return _answer(await service.change_item(core, service.owner_of(caller), item_id, change.quantity))


@router.delete(
    "/items/{item_id}",
    summary="Take a product out of the cart",
    response_model=Cart,
    responses=responses(400, 401, 404, 422),
)
async def remove_item(core: CoreDep, caller: CallerDep, item_id: UUID) -> Response:
    """Answers what is left."""
    return _answer(await service.remove_item(core, service.owner_of(caller), item_id))


@router.post(
    "/items/{item_id}/save-for-later",
    summary="Put a product aside",
    response_model=Cart,
    responses=responses(400, 401, 404, 409, 422),
)
async def save_for_later(core: CoreDep, caller: CallerDep, item_id: UUID) -> Response:
    """It stays with the cart, is neither held nor ordered, and does not count in the total. Answers the whole cart."""
    return _answer(await service.save_for_later(core, service.owner_of(caller), item_id))


@router.post(
    "/items/{item_id}/move-to-cart",
    summary="Put a saved product back into the cart",
    response_model=Cart,
    responses=responses(400, 401, 404, 409, 422),
)
async def move_to_cart(core: CoreDep, caller: CallerDep, item_id: UUID) -> Response:
    """Answers the whole cart."""
    return _answer(await service.move_to_cart(core, service.owner_of(caller), item_id))
