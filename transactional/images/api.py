"""Endpoints of images: for who manages the shop or a product's seller, and for everybody's browser."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from transactional.images import service
from transactional.images.errors import NoImageType
from transactional.images.pixels import FORMATS
from transactional.images.schemas import Alt, ImagesOfProduct, NewAlt, NewOrder
from transactional.platform.authentication import EditorDep
from transactional.platform.core import CoreDep
from transactional.platform.errors import Problem, responses
from transactional.platform.patterns import pattern

router = APIRouter(tags=["catalogue"])
files = APIRouter(tags=["catalogue"])
CACHE_CONTROL = "public, max-age=604800, immutable"
"""Seven days: what stands under a name never becomes something else."""
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in FORMATS},
    }
}
ImageName = Annotated[str, Path(pattern=pattern(r"^[a-p]{64}\.webp$", "an image's name, as pages have it"))]


@router.get("/products/{product_id}/images", summary="List a product's images", responses=responses(401, 403, 404, 422))
async def list_images(core: CoreDep, caller: EditorDep, product_id: UUID) -> ImagesOfProduct:
    """Also those that are not shown yet. What shoppers see stands in the product's page."""
    return _answer(await service.images_of(core, product_id, caller))


@router.post(
    "/products/{product_id}/images",
    status_code=201,
    summary="Add an image to a product",
    responses=responses(401, 403, 404, 409, 413, 415, 422),
    openapi_extra=_BODY,
)
async def add_image(
    request: Request,
    core: CoreDep,
    caller: EditorDep,
    product_id: UUID,
    alt: Annotated[Alt, Query(description="What it shows, for who cannot see it.")] = "",
) -> ImagesOfProduct:
    """The body is the file itself: a JPEG, PNG or WebP of at most 10 MB and 25 million pixels. It is shown as soon as a
    worker has made its sizes, upright and without what the camera noted. A variant shows its own images, else its
    product's. All images of the product are answered, the new one last; the same file again changes its `alt`."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in FORMATS:
        raise NoImageType(", ".join(FORMATS))
    body = await request.body()  # as long as the platform lets any be, and read for who may only
    return _answer(await service.add_image(core, product_id, body, media_type, alt, caller))


@router.put(
    "/products/{product_id}/images",
    summary="Order a product's images",
    responses=responses(400, 401, 403, 404, 409, 422),
)
async def order_images(core: CoreDep, caller: EditorDep, product_id: UUID, order: NewOrder) -> ImagesOfProduct:
    """The first one is shown in lists."""
    return _answer(await service.order_images(core, product_id, order.image_ids, caller))


@router.patch(
    "/products/{product_id}/images/{image_id}",
    summary="Say what an image shows",
    responses=responses(400, 401, 403, 404, 422),
)
async def describe_image(
    core: CoreDep, caller: EditorDep, product_id: UUID, image_id: UUID, new: NewAlt
) -> ImagesOfProduct:
    """For who cannot see it."""
    return _answer(await service.describe_image(core, product_id, image_id, new.alt, caller))


@router.delete(
    "/products/{product_id}/images/{image_id}",
    status_code=204,
    summary="Take an image from a product",
    responses=responses(401, 403, 404, 422),
)
async def remove_image(core: CoreDep, caller: EditorDep, product_id: UUID, image_id: UUID) -> None:
    """Its files are removed when no product uses them for an hour."""
    await service.remove_image(core, product_id, image_id, caller)


@files.get(
    "/images/{name}",
    summary="An image, as pages name it",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}, "description": "The image."}, **responses(404, 422)},
)
async def show_image(request: Request, core: CoreDep, name: ImageName) -> Response:
    """A WebP that never changes: browsers keep it for seven days. Not counted against any limit."""
    headers = {"ETag": f'"{name[:64]}"', "Cache-Control": CACHE_CONTROL, "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    try:
        body = await service.storage_of(core).get(name)
    except FileNotFoundError:
        raise Problem(404, "image_not_found", "There is no such image") from None
    return Response(body, media_type="image/webp", headers=headers)


def _answer(found: list[dict[str, Any]]) -> ImagesOfProduct:
    return ImagesOfProduct.model_validate({"items": found})
