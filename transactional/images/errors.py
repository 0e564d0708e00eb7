"""What can be wrong with an image, each with its stable code."""

from __future__ import annotations

from transactional.platform.errors import Problem


class BadImage(Problem):
    """The file cannot be shown: broken, of another kind than it says, or animated."""

    def __init__(self, detail: str) -> None:
        super().__init__(422, "bad_image", "This image cannot be taken", detail)


class ImageTooLarge(Problem):
    """Too many bytes or too many pixels."""

    def __init__(self, detail: str) -> None:
        super().__init__(413, "image_too_large", "The image is too large", detail)


class NoImageType(Problem):
    """The request does not say that it brings a JPEG, PNG or WebP."""

    def __init__(self, allowed: str) -> None:
        super().__init__(415, "unsupported_media_type", "Only images are taken here", f"Content-Type: {allowed}.")


class StorageAway(Problem):
    """The folder or object store does not answer, or refuses."""

    def __init__(self) -> None:
        title = "Images cannot be had just now"
        super().__init__(503, "image_storage_unavailable", title, headers={"Retry-After": "5"})
