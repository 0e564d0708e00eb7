"""Requests and answers of images."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from transactional.platform.patterns import TEXT

MOST_IMAGES = 20
Alt = Annotated[str, Field(pattern=TEXT, max_length=300, examples=["A blue enamel kettle"])]


class Strict(BaseModel):
    """Refuses unknown fields, so that a misspelt one is told and not ignored."""

    model_config = ConfigDict(extra="forbid")


class ImageOfProduct(BaseModel):
    """An image as who manages the shop sees it."""

    image_id: UUID
    alt: str
    state: Literal["waiting", "ready", "failed"]
    """Shown once it is ready: a worker makes its sizes within seconds."""
    media_type: str
    width: int
    height: int
    """Of the file as it came."""
    urls: dict[str, str]
    """By size: thumbnail, list, page."""


class ImagesOfProduct(BaseModel):
    """All images of a product, in the order in which they are shown."""

    items: list[ImageOfProduct]


class NewAlt(Strict):
    """What an image shows, for who cannot see it."""

    alt: Alt


class NewOrder(Strict):
    """All images of the product, in the order in which they are to be shown."""

    image_ids: Annotated[list[UUID], Field(max_length=MOST_IMAGES)]
