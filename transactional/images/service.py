"""The rules of images: what is taken, which product shows what, and what it tells when that changes.

A file goes to storage between two transactions: the first says that it is expected, the second that a product shows it. Whoever
dies in between leaves a file that nobody uses, which a worker removes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import UUID

from lakefront.clock import real_now
from lakefront.ids import new_id
from transactional.catalogue.changing import tell_of
from transactional.catalogue.service import forget_product
from transactional.images import store
from transactional.images.pixels import FORMATS, check, name_of
from transactional.images.schemas import MOST_IMAGES
from transactional.images.storage import ImageStorage, storage_at
from transactional.platform.audit import note
from transactional.platform.authentication import Caller
from transactional.platform.core import Core
from transactional.platform.database import Connection
from transactional.platform.errors import Problem, not_found, unavailable
from transactional.platform.query import first, rows
from transactional.sellers.access import Editor, editor

PREFIX = "/images/"
_checking = ThreadPoolExecutor(1, thread_name_prefix="image")
"""Unpacking takes a hundred megabytes at worst: one at a time in a worker."""


def storage_of(core: Core) -> ImageStorage:
    """Where this shop's images are."""
    return storage_at(core.settings.images_uri)


async def add_image(
    core: Core, product_id: UUID, body: bytes, media_type: str, alt: str, caller: Caller
) -> list[dict[str, Any]]:
    """A product has one image more, its last one; all of them. The same file again only changes its text. Raises Problem
    404 and 409, BadImage, ImageTooLarge."""
    assert media_type in FORMATS, "the endpoint lets no other through"
    loop = asyncio.get_running_loop()
    width, height = await loop.run_in_executor(_checking, check, body, media_type)
    digest = await loop.run_in_executor(_checking, name_of, body)
    file = {"digest": digest, "media_type": media_type, "width": width, "height": height, "real_now": real_now()}
    async with core.db.transaction() as connection:
        await _check_product(connection, product_id, await editor(connection, caller))
        if await first(connection, store.EXPECT, file) is None:
            raise _being_removed()
    await storage_of(core).put(digest, body)
    now = core.clock.now()
    async with core.db.transaction() as connection:
        who = await editor(connection, caller)  # the seller may have been suspended while the file was written
        used = await first(connection, store.USE, file)
        if used is None:
            raise _being_removed()
        await _lock(connection, product_id, who)
        new = {"image_id": new_id(), "product_id": product_id, "digest": digest, "alt": alt, "most": MOST_IMAGES}
        added = await first(connection, store.ADD, new)
        if added is None:
            raise Problem(409, "too_many_images", "The product has as many images as it may", f"{MOST_IMAGES}.")
        await show(connection, [product_id], now)
        await note(connection, caller.actor, "image_added", product_id, image_id=str(added["id"]), digest=digest)
        found = await _images(connection, product_id)
    forget_product(product_id)
    return found


async def images_of(core: Core, product_id: UUID, caller: Caller) -> list[dict[str, Any]]:
    """All images of a product, also those that are not ready. Raises Problem 404."""
    async with core.db.connection() as connection:
        await _check_product(connection, product_id, await editor(connection, caller, is_looking=True))
        return await _images(connection, product_id)


async def describe_image(
    core: Core, product_id: UUID, image_id: UUID, alt: str, caller: Caller
) -> list[dict[str, Any]]:
    """Another text for who cannot see the image. Raises Problem 404."""
    now = core.clock.now()
    async with core.db.transaction() as connection:
        await _lock(connection, product_id, await editor(connection, caller))
        named = {"product_id": product_id, "image_id": image_id, "alt": alt}
        if await first(connection, store.SET_ALT, named) is None:
            raise not_found("image", image_id)
        await show(connection, [product_id], now)
        await note(connection, caller.actor, "image_described", product_id, image_id=str(image_id), alt=alt)
        found = await _images(connection, product_id)
    forget_product(product_id)
    return found


async def order_images(core: Core, product_id: UUID, image_ids: Sequence[UUID], caller: Caller) -> list[dict[str, Any]]:
    """Show the images in this order. Raises Problem 404, and 409 where it does not name each of them once."""
    now = core.clock.now()
    async with core.db.transaction() as connection:
        await _lock(connection, product_id, await editor(connection, caller))
        known = [one["image_id"] for one in await _images(connection, product_id)]
        if sorted(known) != sorted(image_ids):
            raise Problem(409, "other_images", "Name each image of the product once", image_ids=list(map(str, known)))
        await connection.execute(store.SET_ORDER, {"product_id": product_id, "image_ids": list(image_ids)})
        await show(connection, [product_id], now)
        await note(connection, caller.actor, "images_ordered", product_id, image_ids=list(map(str, image_ids)))
        found = await _images(connection, product_id)
    forget_product(product_id)
    return found


async def remove_image(core: Core, product_id: UUID, image_id: UUID, caller: Caller) -> None:
    """The product shows it no more; its files go when no product uses them. Raises Problem 404."""
    now = core.clock.now()
    named = {"product_id": product_id, "image_id": image_id}
    async with core.db.transaction() as connection:
        who = await editor(connection, caller)
        file = await first(connection, store.FILE_OF, named)
        if file is None:
            raise not_found("image", image_id)
        await _lock(connection, product_id, who)
        if await first(connection, store.REMOVE, named) is None:
            raise not_found("image", image_id)
        await connection.execute(store.NOTE_UNUSED, {"digest": file["digest"], "real_now": real_now()})
        await show(connection, [product_id], now)
        await note(connection, caller.actor, "image_removed", product_id, image_id=str(image_id), digest=file["digest"])
    forget_product(product_id)


async def show(connection: Connection, product_ids: Sequence[UUID], now: datetime) -> None:
    """Let locked products show what images they have by now, and tell of those for which that is something else."""
    parameters = {"product_ids": list(product_ids), "prefix": PREFIX, "now": now}
    different = [row["id"] for row in await rows(connection, store.SHOW, parameters)]
    if different:
        await tell_of(connection, different, now)


async def _images(connection: Connection, product_id: UUID) -> list[dict[str, Any]]:
    return await rows(connection, store.OF_PRODUCT, {"product_id": product_id, "prefix": PREFIX})


async def _lock(connection: Connection, product_id: UUID, who: Editor) -> None:
    found = await rows(connection, store.LOCK_PRODUCTS, {"product_ids": [product_id]})
    if not found:
        raise not_found("product", product_id)
    who.check(product_id, found[0]["seller"])


async def _check_product(connection: Connection, product_id: UUID, who: Editor) -> None:
    found = await first(connection, store.PRODUCT, {"product_id": product_id})
    if found is None:
        raise not_found("product", product_id)
    who.check(product_id, found["seller"])


def _being_removed() -> Problem:
    return unavailable("image_being_removed", "This very file is just being removed: send it again in a moment")
