"""What is done to pixels: bad files are refused with the reason, good ones come out upright, small and bare."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageCms

from transactional.images.errors import BadImage, ImageTooLarge
from transactional.images.pixels import check, resize


def opened(body: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that unpacks to a wall of white."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_three_kinds_are_taken(paint: Any, kind: str) -> None:
    assert check(paint(300, 200, kind), f"image/{kind.lower()}") == (300, 200)


@pytest.mark.parametrize(
    ("damage", "media_type", "said"),
    [
        (lambda body: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png", "broken or of another kind"),
        (lambda body: b"", "image/jpeg", "^The body is empty"),
        (lambda body: body[: len(body) // 2], "image/jpeg", "broken or of another kind"),
        (lambda body: body, "image/png", "It says image/png and is JPEG"),
    ],
)
def test_a_file_that_cannot_be_shown_is_refused(paint: Any, damage: Any, media_type: str, said: str) -> None:
    with pytest.raises(BadImage, match=said):
        check(damage(paint(400, 400)), media_type)


def test_a_refusal_says_nothing_of_how_files_are_read() -> None:
    with pytest.raises(BadImage) as broken:
        check(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png")
    assert broken.value.detail == "The file is broken or of another kind; JPEG, PNG and WebP are taken."
    with pytest.raises(ImageTooLarge) as large:
        check(bomb(30_000, 30_000), "image/png")
    assert large.value.detail == "Too many pixels; at most 25 million, 12000 a side."


def test_an_animation_is_refused(paint: Any) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    target = io.BytesIO()
    frames[0].save(target, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(BadImage, match="Animated"):
        check(target.getvalue(), "image/webp")


@pytest.mark.parametrize(("width", "height"), [(5_001, 5_000), (12_001, 10), (50_000, 50_000)])
def test_too_many_pixels_are_refused_before_they_are_unpacked(width: int, height: int) -> None:
    body = bomb(width, height)
    assert len(body) < 100
    with pytest.raises(ImageTooLarge, match="pixels"):
        check(body, "image/png")


def test_sizes_are_never_larger_than_the_image(paint: Any) -> None:
    made = resize(paint(300, 150, "PNG"))
    assert {name: (one.width, one.height) for name, one in made.items()} == {
        "thumbnail": (160, 80), "list": (300, 150), "page": (300, 150),
    }  # fmt: skip


def test_the_same_file_gives_the_same_names_and_another_file_others(paint: Any) -> None:
    body = paint(300, 150, "PNG")
    names = {one.name for one in resize(body).values()}
    assert names == {one.name for one in resize(body).values()}
    assert names.isdisjoint(one.name for one in resize(body + b"\0").values())


def test_no_name_can_be_taken_for_a_cards_number(paint: Any) -> None:
    names = [one.name for _ in range(20) for one in resize(paint(40, 40)).values()]
    assert all(name.removesuffix(".webp").isalpha() and len(name) == 69 for name in names)


def test_an_image_comes_out_upright_and_without_what_the_camera_noted() -> None:
    lying = Image.new("RGB", (400, 200), "white")
    lying.paste("red", (0, 0, 100, 200))  # the left, which is the top once it stands
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise
    exif[0x010F] = "Camera of somebody"
    exif.get_ifd(0x8825)[1] = "N"
    target = io.BytesIO()
    lying.save(target, "JPEG", exif=exif, quality=95, comment=b"secret")
    made = resize(target.getvalue())
    page = opened(made["page"].body)
    assert page.size == (200, 400)
    assert (page.getpixel((100, 30))[1] < 60, page.getpixel((100, 350))[1] > 200) == (True, True)
    assert not page.getexif()
    assert not {"exif", "xmp", "icc_profile", "comment"} & page.info.keys()
    assert b"Camera" not in made["page"].body
    assert b"secret" not in made["page"].body


def test_transparency_is_kept() -> None:
    image = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 50, 100))
    target = io.BytesIO()
    image.save(target, "PNG")
    page = opened(resize(target.getvalue())["page"].body).convert("RGBA")
    assert (page.getpixel((20, 50))[3], page.getpixel((80, 50))[3]) == (255, 0)


@pytest.mark.parametrize(("mode", "grey"), [("L", 128), ("I;16", 128 * 257)])
def test_grey_stays_the_grey_it_is(mode: str, grey: int) -> None:
    target = io.BytesIO()
    Image.new(mode, (64, 64), grey).save(target, "PNG")
    red, green, blue = opened(resize(target.getvalue())["page"].body).getpixel((32, 32))
    assert max(abs(one - 128) for one in (red, green, blue)) <= 3


def test_colours_of_print_and_of_a_profile_become_those_of_the_screen() -> None:
    target = io.BytesIO()
    Image.new("CMYK", (64, 64), (0, 255, 255, 0)).save(target, "JPEG", quality=95)
    red, green, blue = opened(resize(target.getvalue())["page"].body).getpixel((32, 32))
    assert (red > 200, green < 80, blue < 80) == (True, True, True)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    target = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(target, "JPEG", quality=95, icc_profile=lab)  # not a profile of its pixels
    red, green, blue = opened(resize(target.getvalue())["page"].body).getpixel((32, 32))
    assert (red > 230, green < 30, blue < 30) == (True, True, True)
