"""Storage of images: a folder whose files are there whole or not at all, and an object store by the same three calls."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lakefront.breaker import CircuitBreaker, CircuitOpen
from lakefront.ids import new_id
from transactional.images import storage as storage_module
from transactional.images.errors import StorageAway
from transactional.images.pixels import name_of
from transactional.images.service import storage_of
from transactional.images.storage import ImageStorage
from transactional.images.tasks import remove_unused

NAME = "a" * 64 + ".webp"


@pytest.fixture
def bucket(aws_environment: Any) -> tuple[str, str]:
    """A bucket of the test's own: its name, and its URL."""
    name = f"shop-{new_id().hex}"
    return name, aws_environment.bucket(name)


async def keeps_and_lets_go(storage: ImageStorage) -> None:
    with pytest.raises(FileNotFoundError):
        await storage.get(NAME)
    await storage.put(NAME, b"first")
    await storage.put(NAME, b"first")
    assert await storage.get(NAME) == b"first"
    await storage.remove([NAME, "b" * 64])
    with pytest.raises(FileNotFoundError):
        await storage.get(NAME)


async def test_a_folder_keeps_files_and_lets_go_of_them(tmp_path: Path) -> None:
    await keeps_and_lets_go(ImageStorage(str(tmp_path / "images")))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_an_object_store_keeps_files_and_lets_go_of_them(aws: Any, bucket: tuple[str, str]) -> None:
    name, url = bucket
    storage = ImageStorage(url)
    body = bytes(range(256)) * 8_192  # more than one part of what the client sends in pieces
    await storage.put("c" * 64, body)
    lies_there = aws.client("s3").get_object(Bucket=name, Key=f"images/cc/{'c' * 64}")
    assert lies_there["Body"].read() == body
    await keeps_and_lets_go(storage)
    assert await storage.get("c" * 64) == body
    await storage.remove(["c" * 64])
    with pytest.raises(FileNotFoundError):
        await ImageStorage(url).get("c" * 64)


async def test_a_bucket_that_is_not_there_takes_nothing(bucket: tuple[str, str]) -> None:
    name, url = bucket
    with pytest.raises(StorageAway):
        await ImageStorage(url.replace(name, "no-such-bucket")).put(NAME, b"body")


def test_an_option_that_s3_does_not_have_is_refused(bucket: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="endpont"):
        ImageStorage(bucket[1].replace("endpoint", "endpont"))


async def test_an_object_store_that_is_away_is_told_soon_and_not_asked_for_a_moment(
    aws: Any, bucket: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "_REQUEST_SECONDS", 1.0)
    storage = ImageStorage(bucket[1])
    moment = 0.0
    storage._breaker = CircuitBreaker("image storage", now=lambda: moment)
    await storage.put(NAME, b"body")
    with aws.away():
        began = time.monotonic()
        failed = await asyncio.gather(*(storage.get(NAME) for _ in range(5)), return_exceptions=True)
        assert {type(one) for one in failed} == {StorageAway}
        assert time.monotonic() - began < 20
        began = time.monotonic()
        with pytest.raises(StorageAway) as refused:
            await storage.get(NAME)
        assert isinstance(refused.value.__cause__, CircuitOpen)
        assert time.monotonic() - began < 0.5
    moment = 61.0
    assert await storage.get(NAME) == b"body"


@pytest.fixture
def images_on_s3(
    bucket: tuple[str, str], settings_with: Any, database_url: str, new_database: Any, migrated_template: str
) -> Iterator[str]:
    """Asked for before the shop, which then keeps its images in this bucket, and has no others that wait."""
    with settings_with(LAKEFRONT_IMAGES_URL=bucket[1], LAKEFRONT_DATABASE_URL=new_database(migrated_template)):
        yield bucket[0]


async def test_what_is_uploaded_to_a_shop_on_s3_is_made_smaller_served_and_removed_there(
    images_on_s3: str, aws: Any, shop: Any, create_product: Any, paint: Any, upload: Any, work: Any, internal: Any
) -> None:
    product_id = (await create_product())["product_id"]
    body = paint(1500, 750)
    (image,) = (await upload(product_id, body)).json()["items"]
    await work()
    (image,) = (await shop.client.get(f"/api/v1/products/{product_id}/images", headers=internal)).json()["items"]
    assert image["state"] == "ready"
    for size, width in (("thumbnail", 160), ("list", 480), ("page", 1200)):
        served = await shop.client.get(image["urls"][size])
        assert served.status_code == 200
        assert served.headers["content-type"] == "image/webp"
        assert served.headers["cache-control"] == "public, max-age=604800, immutable"
        assert served.headers["etag"] == f'"{image["urls"][size].removeprefix("/images/").removesuffix(".webp")}"'
        with Image.open(io.BytesIO(served.content)) as picture:
            assert (picture.format, picture.size) == ("WEBP", (width, width // 2))

    def files() -> list[str]:
        found = aws.client("s3").list_objects_v2(Bucket=images_on_s3).get("Contents", [])
        return sorted(one["Key"].rpartition("/")[2] for one in found if one["Size"])

    names = [url.removeprefix("/images/") for url in image["urls"].values()]
    assert files() == sorted([*names, name_of(body)])
    await shop.client.delete(f"/api/v1/products/{product_id}/images/{image['image_id']}", headers=internal)
    await shop.sql("UPDATE images SET unused_since = now() - interval '2 h' WHERE digest = %s", name_of(body))
    while await remove_unused(shop.core):
        pass
    assert files() == []
    assert (await shop.client.get(image["urls"]["page"])).json()["code"] == "image_not_found"


async def test_while_s3_is_away_images_wait_and_none_is_given_up(
    images_on_s3: str, aws: Any, shop: Any, create_product: Any, paint: Any, upload: Any, work: Any
) -> None:
    storage_of(shop.core)._breaker = CircuitBreaker("image storage", failures_to_open=2, seconds_open=600)
    product_id, body = (await create_product())["product_id"], paint()
    await upload(product_id, body)
    lapse = "UPDATE images SET lease_until = NULL WHERE digest = %s"
    with aws.away():
        for _ in range(7):
            await work()
            await shop.sql(lapse, name_of(body))
        answers = [await upload(product_id, paint()), await shop.client.get(f"/images/{'a' * 64}.webp")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert {answer.json()["code"] for answer in answers} == {"image_storage_unavailable"}
    assert {answer.headers["Retry-After"] for answer in answers} == {"5"}
    assert await shop.sql("SELECT state, attempts FROM images WHERE digest = %s", name_of(body)) == [("waiting", 0)]
    storage_of(shop.core)._breaker.succeeded()
    await work()
    assert await shop.sql("SELECT state FROM images WHERE digest = %s", name_of(body)) == [("ready",)]


async def test_who_reads_while_a_file_is_written_sees_it_whole_or_not_at_all(tmp_path: Path) -> None:
    storage, body = ImageStorage(str(tmp_path)), b"x" * 3_000_000
    writing = asyncio.gather(*(storage.put(NAME, body) for _ in range(8)))
    sizes = set()
    while not writing.done():
        try:
            sizes.add(len(await storage.get(NAME)))
        except FileNotFoundError:
            sizes.add(0)
    await writing
    assert sizes <= {0, len(body)}
    assert await storage.get(NAME) == body
