"""Images of products: taken, made smaller, shown in their order, and gone when nobody shows them."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from lakefront.ids import new_id
from transactional.catalogue import service as catalogue
from transactional.images.pixels import name_of
from transactional.images.tasks import make_sizes, remove_unused


async def page_of(client: httpx.AsyncClient, product_id: str) -> Any:
    catalogue.pages.clear()
    return (await client.get(f"/api/v1/products/{product_id}")).json()


async def test_an_image_is_shown_by_page_and_list_once_its_sizes_are_made(
    shop: Any, create_product: Any, paint: Any, upload: Any, work: Any
) -> None:
    path = f"images-{name_of(paint())[:8]}"
    made = await create_product(category=path)
    answer = await upload(made["product_id"], paint(1800, 900), alt="A blue kettle")
    (image,) = answer.json()["items"]
    assert (answer.status_code, image["state"], image["width"], image["height"]) == (201, "waiting", 1800, 900)
    assert (await page_of(shop.client, made["product_id"]))["images"] == []
    await work()
    page = await page_of(shop.client, made["product_id"])
    (shown,) = page["images"]
    assert (shown["image_id"], shown["alt"]) == (image["image_id"], "A blue kettle")
    assert (shown["width"], shown["height"]) == (1200, 600)
    catalogue.lists.clear()
    (card,) = (await shop.client.get("/api/v1/products", params={"category": path})).json()["items"]
    assert card["image"] == shown
    for size, width in (("thumbnail", 160), ("list", 480), ("page", 1200)):
        served = await shop.client.get(shown[size])
        with Image.open(io.BytesIO(served.content)) as picture:
            assert (picture.format, picture.size) == ("WEBP", (width, width // 2))
    told = (await shop.facts(made["product_id"]))[-1]
    assert (told["event_type"], told["sequence"]) == ("catalogue.product.listed.v1", 3)
    assert (told["data"]["images"], page["version"]) == ([shown["page"]], 3)


async def test_browsers_may_keep_an_image_for_seven_days(
    shop: Any, create_product: Any, paint: Any, upload: Any, work: Any
) -> None:
    made = await create_product()
    await upload(made["product_id"], paint())
    await work()
    (shown,) = (await page_of(shop.client, made["product_id"]))["images"]
    served = await shop.client.get(shown["page"])
    assert served.headers["cache-control"] == "public, max-age=604800, immutable"
    assert (served.headers["content-type"], served.headers["x-content-type-options"]) == ("image/webp", "nosniff")
    again = await shop.client.get(shown["page"], headers={"If-None-Match": served.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    gone = await shop.client.get(f"/images/{'a' * 64}.webp")
    assert (gone.status_code, gone.json()["code"]) == (404, "image_not_found")
    assert (await shop.client.get("/images/..%2Fsecret")).status_code in (404, 422)


async def test_an_order_of_images_holds_and_the_first_stands_in_lists(
    shop: Any, internal: dict[str, str], create_product: Any, paint: Any, upload: Any, work: Any
) -> None:
    made = await create_product()
    url = f"/api/v1/products/{made['product_id']}/images"
    for alt in ("front", "back", "side"):
        answer = await upload(made["product_id"], paint(), alt=alt)
    await work()
    front, back, side = (one["image_id"] for one in answer.json()["items"])
    ordered = await shop.client.put(url, json={"image_ids": [side, front, back]}, headers=internal)
    assert [one["alt"] for one in ordered.json()["items"]] == ["side", "front", "back"]
    partly = await shop.client.put(url, json={"image_ids": [side, front]}, headers=internal)
    assert (partly.status_code, partly.json()["code"]) == (409, "other_images")
    described = await shop.client.patch(f"{url}/{front}", json={"alt": "the front"}, headers=internal)
    assert described.status_code == 200
    assert (await shop.client.delete(f"{url}/{side}", headers=internal)).status_code == 204
    assert (await shop.client.delete(f"{url}/{side}", headers=internal)).status_code == 404
    page = await page_of(shop.client, made["product_id"])
    assert [one["alt"] for one in page["images"]] == ["the front", "back"]
    facts = await shop.facts(made["product_id"])
    assert [fact["sequence"] for fact in facts] == list(range(1, page["version"] + 1))
    assert facts[-1]["data"]["images"] == [one["page"] for one in page["images"]]
    noted = await shop.sql("SELECT action FROM audit_log WHERE subject = %s ORDER BY id", made["product_id"])
    assert [action for (action,) in noted] == ["products_listed"] + ["image_added"] * 3 + [
        "images_ordered", "image_described", "image_removed",
    ]  # fmt: skip


async def test_a_variant_without_images_shows_its_products(
    shop: Any, create_product: Any, paint: Any, upload: Any, work: Any
) -> None:
    stem = name_of(paint())[:10]
    variants = [{"sku": f"{stem}-{one}", "options": {"colour": one}} for one in ("red", "blue")]
    made = await create_product(variants=variants)
    red, blue = (one["variant_id"] for one in made["variants"])
    await upload(made["product_id"], paint(), alt="both")
    await upload(red, paint(), alt="red")
    await work()
    page = await page_of(shop.client, made["product_id"])
    assert [one["alt"] for one in page["images"]] == ["both"]
    assert [[one["alt"] for one in variant["images"]] for variant in page["variants"]] == [["red"], []]
    for variant_id, alt in ((red, "red"), (blue, "both")):
        assert [one["alt"] for one in (await page_of(shop.client, variant_id))["images"]] == [alt]


async def test_the_same_file_again_changes_only_its_text(
    shop: Any, create_product: Any, paint: Any, upload: Any, work: Any
) -> None:
    made, body = await create_product(), paint()
    (first,) = (await upload(made["product_id"], body, alt="one")).json()["items"]
    (second,) = (await upload(made["product_id"], body, alt="two")).json()["items"]
    assert (first["image_id"], second["alt"]) == (second["image_id"], "two")


async def test_a_product_has_at_most_twenty_images(shop: Any, create_product: Any, paint: Any, upload: Any) -> None:
    made = await create_product()
    answers = [await upload(made["product_id"], paint(8, 8)) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [201] * 20 + [409]
    assert answers[-1].json()["code"] == "too_many_images"


async def test_files_go_an_hour_after_the_last_product_has_let_go_of_them(
    shop: Any, internal: dict[str, str], create_product: Any, paint: Any, upload: Any, work: Any
) -> None:
    body = paint()
    digest = name_of(body)
    one, other = await create_product(), await create_product()
    (first,) = (await upload(one["product_id"], body)).json()["items"]
    (second,) = (await upload(other["product_id"], body)).json()["items"]
    await work()
    (shown,) = (await page_of(shop.client, one["product_id"]))["images"]
    age = "UPDATE images SET unused_since = unused_since - interval '61 minutes' WHERE digest = %s"

    async def let_go(product_id: str, image_id: str) -> None:
        url = f"/api/v1/products/{product_id}/images/{image_id}"
        assert (await shop.client.delete(url, headers=internal)).status_code == 204

    await let_go(one["product_id"], first["image_id"])
    await shop.sql(age, digest)
    assert await remove_unused(shop.core) == 0
    await let_go(other["product_id"], second["image_id"])
    assert await remove_unused(shop.core) == 0
    assert (await shop.client.get(shown["page"])).status_code == 200
    await shop.sql(age, digest)
    assert await remove_unused(shop.core) == 1
    assert (await shop.client.get(shown["page"])).status_code == 404
    assert await shop.sql("SELECT 1 FROM images WHERE digest = %s", digest) == []
    assert (await upload(one["product_id"], body)).status_code == 201
    await work()
    assert (await shop.client.get(shown["page"])).status_code == 200


async def test_who_sends_a_file_that_is_just_being_removed_is_told_to_wait(
    shop: Any, create_product: Any, paint: Any, upload: Any
) -> None:
    made, body = await create_product(), paint()
    digest = name_of(body)
    await shop.sql(
        "INSERT INTO images (digest, media_type, width, height, state, unused_since, lease_until)"
        " VALUES (%s, 'image/jpeg', 600, 400, 'removing', now() - interval '2 hours', now() + interval '1 minute')",
        digest,
    )
    answer = await upload(made["product_id"], body)
    assert (answer.status_code, answer.json()["code"]) == (503, "image_being_removed")
    assert await remove_unused(shop.core) == 0
    await shop.sql(
        "UPDATE images SET lease_until = now() - interval '1 s' WHERE digest = %s", digest
    )  # its worker died
    assert await remove_unused(shop.core) == 1
    assert (await upload(made["product_id"], body)).status_code == 201


async def test_only_who_manages_the_shop_touches_images(
    shop: Any, create_user: Any, create_product: Any, paint: Any
) -> None:
    made, user = await create_product(), await create_user()
    url = f"/api/v1/products/{made['product_id']}/images"
    for headers, status in (({}, 401), (user.headers, 403)):
        answers = [
            await shop.client.get(url, headers=headers),
            await shop.client.post(url, content=paint(), headers={**headers, "Content-Type": "image/jpeg"}),
            await shop.client.put(url, json={"image_ids": []}, headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [status] * 3


async def test_an_image_that_never_gets_done_is_given_up(
    shop: Any, create_product: Any, paint: Any, upload: Any, work: Any, internal: dict[str, str]
) -> None:
    made, body = await create_product(), paint()
    digest = name_of(body)
    await work()
    await upload(made["product_id"], body)
    await shop.sql("UPDATE images SET attempts = 5 WHERE digest = %s", digest)
    assert await make_sizes(shop.core) == 1
    listed = await shop.client.get(f"/api/v1/products/{made['product_id']}/images", headers=internal)
    assert [one["state"] for one in listed.json()["items"]] == ["failed"]
    (again,) = (await upload(made["product_id"], body)).json()["items"]
    assert again["state"] == "waiting"
    await work()
    assert len((await page_of(shop.client, made["product_id"]))["images"]) == 1


@pytest.mark.parametrize(
    ("body", "media_type", "answered"),
    [
        (b"x" * (10 * 1024 * 1024 + 1), "image/png", (413, "too_large")),
        (b"x" * (10 * 1024 * 1024), "image/png", (422, "bad_image")),
        (b"GIF89a", "image/gif", (415, "unsupported_media_type")),
        (b"%PDF-1.7", "image/png", (422, "bad_image")),
    ],
)
async def test_a_bad_upload_is_refused_and_leaves_nothing(
    shop: Any, create_product: Any, upload: Any, body: bytes, media_type: str, answered: tuple[int, str]
) -> None:
    made = await create_product()
    answer = await upload(made["product_id"], body, media_type)
    assert (answer.status_code, answer.json()["code"]) == answered
    digest = name_of(body)
    assert await shop.sql("SELECT 1 FROM images WHERE digest = %s", digest) == []
    assert await shop.sql("SELECT 1 FROM product_images WHERE product_id = %s", made["product_id"]) == []


async def test_an_image_of_nothing_is_refused(upload: Any, paint: Any) -> None:
    answer = await upload(str(new_id()), paint())
    assert (answer.status_code, answer.json()["code"]) == (404, "product_not_found")


async def test_uploads_at_once_are_all_taken(
    shop: Any, create_product: Any, paint: Any, upload: Any, work: Any
) -> None:
    made = await create_product()
    answers = await asyncio.gather(*(upload(made["product_id"], paint(1200, 900)) for _ in range(6)))
    assert [answer.status_code for answer in answers] == [201] * 6
    await work()
    page = await page_of(shop.client, made["product_id"])
    assert len({image["page"] for image in page["images"]}) == 6
    assert [fact["sequence"] for fact in await shop.facts(made["product_id"])] == list(range(1, page["version"] + 1))
