"""The wishlists' endpoints."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response

from transactional.carts.schemas import Cart
from transactional.platform.authentication import CallerDep, MemberDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses
from transactional.wishlists import service
from transactional.wishlists.schemas import (
    NewWish,
    NewWishlist,
    SharedWishlist,
    Wishlist,
    WishlistChange,
    Wishlists,
    WishToCart,
)

router = APIRouter(tags=["wishlists"])
ShareToken = Annotated[str, Path(min_length=10, max_length=100, examples=["0GB2gkyRQVaRvVyxXY0Elw"])]


def _answer(body: bytes, status: int = 200) -> Response:
    return Response(body, status, {"Cache-Control": "private, no-store"}, "application/json")


@router.get("/users/wishlist", summary="Show one's wishlist", response_model=Wishlist, responses=responses(401))
async def show_default(core: CoreDep, member: MemberDep) -> Response:
    """The default one, with prices and stock of now beside what each cost when it was put there."""
    return _answer(await service.default_list(core, member.member_id))


@router.post(
    "/users/wishlist/items",
    summary="Put a product on one's wishlist",
    status_code=201,
    response_model=Wishlist,
    responses=responses(400, 401, 404, 409, 422),
)
async def add_to_default(core: CoreDep, member: MemberDep, wish: NewWish) -> Response:
    """On the default one; a product, or one of its variants. Answers the list."""
    return _answer(await service.add(core, member.member_id, wish), 201)


@router.delete(
    "/users/wishlist/items/{item_id}",
    summary="Take a product off a wishlist",
    status_code=204,
    responses=responses(401, 404, 422),
)
async def remove(core: CoreDep, member: MemberDep, item_id: UUID) -> None:
    """Off whichever list of the account's it is on."""
    await service.remove(core, member.member_id, item_id)


@router.post(
    "/users/wishlist/items/{item_id}/move-to-cart",
    summary="Move a product from a wishlist into the cart",
    response_model=Cart,
    responses=responses(400, 401, 404, 409, 422),
)
async def move_to_cart(core: CoreDep, member: MemberDep, item_id: UUID, wanted: WishToCart) -> Response:
    """Where the wish is for a product with variants, `variant_id` says which. Answers the whole cart."""
    return _answer(await service.move_to_cart(core, member.member_id, item_id, wanted))


@router.get("/users/wishlists", summary="List one's wishlists", response_model=Wishlists, responses=responses(401))
async def list_wishlists(core: CoreDep, member: MemberDep) -> Response:
    """The default first, then the newest; at most 20."""
    return _answer(await service.lists(core, member.member_id))


@router.post(
    "/users/wishlists",
    summary="Make a wishlist",
    status_code=201,
    response_model=Wishlist,
    responses=responses(400, 401, 409, 422),
)
async def make(core: CoreDep, member: MemberDep, new: NewWishlist) -> Response:
    """The first one is the default; a new default takes the place of the one before."""
    return _answer(await service.make(core, member.member_id, new), 201)


@router.get(
    "/users/wishlists/{wishlist_id}",
    summary="Show one of one's wishlists",
    response_model=Wishlist,
    responses=responses(401, 404, 422),
)
async def show(core: CoreDep, member: MemberDep, wishlist_id: UUID) -> Response:
    """With prices and stock of now beside what each cost when it was put there."""
    return _answer(await service.one_list(core, member.member_id, wishlist_id))


@router.put(
    "/users/wishlists/{wishlist_id}",
    summary="Rename or share a wishlist",
    response_model=Wishlist,
    responses=responses(400, 401, 404, 409, 422),
)
async def change(core: CoreDep, member: MemberDep, wishlist_id: UUID, change: WishlistChange) -> Response:
    """What is left out stays as it is. A list that was made private and is shared again gets another link."""
    return _answer(await service.change(core, member.member_id, wishlist_id, change))


@router.delete(
    "/users/wishlists/{wishlist_id}",
    summary="Forget a wishlist",
    status_code=204,
    responses=responses(401, 404, 409, 422),
)
async def delete(core: CoreDep, member: MemberDep, wishlist_id: UUID) -> None:
    """With all that is on it. The default one stays until another is the default."""
    await service.delete(core, member.member_id, wishlist_id)


@router.post(
    "/users/wishlists/{wishlist_id}/items",
    summary="Put a product on one of one's wishlists",
    status_code=201,
    response_model=Wishlist,
    responses=responses(400, 401, 404, 409, 422),
)
async def add(core: CoreDep, member: MemberDep, wishlist_id: UUID, wish: NewWish) -> Response:
    """A product, or one of its variants; once, however often it is put there. Answers the list."""
    return _answer(await service.add(core, member.member_id, wish, wishlist_id), 201)


@router.get(
    "/wishlists/{share_token}",
    summary="Show a shared wishlist",
    response_model=SharedWishlist,
    responses=responses(400, 401, 404, 422),
)
async def show_shared(core: CoreDep, caller: CallerDep, share_token: ShareToken) -> Response:
    """For whoever has the link. It does not say whose list it is."""
    return _answer(await service.shared(core, share_token))
