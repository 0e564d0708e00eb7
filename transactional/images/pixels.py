"""What is done to pixels, by Pillow: an upload is checked, and the sizes that pages show are made. No database, no network."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageCms, ImageOps

from transactional.images.errors import BadImage, ImageTooLarge

MOST_PIXELS = 25_000_000
LONGEST_SIDE = 12_000
FORMATS = {"image/jpeg": ("JPEG", "MPO"), "image/png": ("PNG",), "image/webp": ("WEBP",)}
"""By media type; telephones write JPEGs with a second picture inside, which Pillow calls MPO."""
SIZES = {"thumbnail": 160, "list": 480, "page": 1200}
"""Longest sides in pixels; a smaller image is never enlarged."""
_QUALITY = 82
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
# Pillow warns of what it thinks a decompression bomb; ours is the stricter limit, and looked at before anything is unpacked.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class Resized:
    """An image of one size. Its name says what is in it and of which file it was made, so that browsers may keep it for
    good, and no two files share it."""

    name: str
    body: bytes
    width: int
    height: int


def name_of(body: bytes) -> str:
    """Says what is in a file: its SHA-256 in the letters a to p. Digits in a row could be taken for a card's number."""
    return hashlib.sha256(body).hexdigest().translate(_LETTERS)


def check(body: bytes, media_type: str) -> tuple[int, int]:
    """Width and height of an upload that can be shown. Raises BadImage, ImageTooLarge."""
    if not body:
        raise BadImage("The body is empty: send the file itself.")
    try:
        with Image.open(BytesIO(body), formats=["JPEG", "PNG", "WEBP"]) as image:
            width, height = image.size
            if image.format not in FORMATS[media_type]:
                raise BadImage(f"It says {media_type} and is {image.format}.")
            if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
                raise ImageTooLarge(_too_large(f"{width} × {height} pixels"))
            if image.format != "MPO" and getattr(image, "is_animated", False):
                raise BadImage("Animated images are not shown.")
            image.load()
    except (BadImage, ImageTooLarge):
        raise
    except Image.DecompressionBombError as error:  # raised before the size can be asked for
        raise ImageTooLarge(_too_large("Too many pixels")) from error
    except Exception as error:  # decoders raise many kinds of errors on broken files, and all of them mean that
        raise BadImage("The file is broken or of another kind; JPEG, PNG and WebP are taken.") from error
    return width, height


def _too_large(how_large: str) -> str:
    return f"{how_large}; at most {MOST_PIXELS // 1_000_000} million, {LONGEST_SIDE} a side."


def resize(body: bytes) -> dict[str, Resized]:
    """The sizes that pages show: upright, in sRGB, without what the camera noted (place, time, owner)."""
    with Image.open(BytesIO(body), formats=["JPEG", "PNG", "WEBP"]) as source:
        # a JPEG may be unpacked at a fraction of its size, as long as that is more than is needed
        source.draft(None, (2 * SIZES["page"], 2 * SIZES["page"]))
        source.load()
        upright = _in_srgb(ImageOps.exif_transpose(source))
    own = hashlib.sha256(body).digest()
    made = {}
    for name, side in SIZES.items():
        image = upright.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        image.info = {}
        target = BytesIO()
        image.save(target, "WEBP", quality=_QUALITY, method=4)
        packed = target.getvalue()
        made[name] = Resized(f"{name_of(own + packed)}.webp", packed, image.width, image.height)
    return made


def _in_srgb(image: Image.Image) -> Image.Image:
    """As browsers show it that know no profiles: colours by the image's own profile, transparency kept."""
    if image.mode.startswith(("I", "F")):  # 16 bits of grey
        image = image.convert("F").point(lambda value: value * (1 / 257)).convert("L")
    transparent = "A" in image.getbands() or "transparency" in image.info
    alpha = image.convert("RGBA").getchannel("A") if transparent else None
    profile = image.info.get("icc_profile")
    if image.mode not in ("RGB", "CMYK", "L"):
        image = image.convert("RGB")
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image, ImageCms.ImageCmsProfile(BytesIO(profile)), _SRGB, outputMode="RGB"
            )
            image = converted or image
        except (ImageCms.PyCMSError, OSError):  # a profile that is broken, or of another kind of pixels
            pass
    image = image.convert("RGB")
    if alpha is not None:
        image.putalpha(alpha)
    return image
