"""The import of a catalogue file: what becomes a product, what a bad row is told, and that a second run changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakefront.ids import new_id
from transactional.importers.catalogue import BadFile, import_catalogue

DATA = Path(os.environ.get("LAKEFRONT_TEST_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")


def lines(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "catalogue.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


async def test_good_rows_are_kept_and_bad_ones_told(shop: Any, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(
        tmp_path,
        "Article,Name,Price,Colour,Euro,Here",
        f"{mark}-1,Kettle,39.90,blue,35.00,7",
        f"{mark}-2,,5.00,,,",
        f"{mark}-3,Pan,dear,,,",
        f"{mark}-1,Kettle again,1.00,,,",
        f"{mark}-4,Pot,12.00,,,",
    )
    mapped = [
        "sku=Article",
        "title=Name",
        "price=Price",
        "attributes.colour=Colour",
        "prices.EUR=Euro",
        "stock.main=Here",
    ]
    outcome = await import_catalogue(shop.core.db, path, mapped, [f"category=import-{mark}/kitchen"])
    assert (outcome.rows, outcome.listed, outcome.known) == (5, 2, 0)
    assert [number for number, _ in outcome.bad] == [3, 4, 5]
    assert outcome.bad[0][1] == "title: is missing"
    assert outcome.bad[1][1].startswith("price: ")
    assert outcome.bad[2][1] == f"sku: {mark}-1 stands in line 2 already"
    found = await shop.client.get("/api/v1/products", params={"category": f"import-{mark}", "sort": "price"})
    assert [(one["sku"], one["price"], one["in_stock"]) for one in found.json()["items"]] == [
        (f"{mark}-4", "12.00", False),
        (f"{mark}-1", "39.90", True),
    ]
    kettle = found.json()["items"][1]["product_id"]
    page = (await shop.client.get(f"/api/v1/products/{kettle}")).json()
    assert (page["attributes"], page["variants"][0]["prices"], page["available"]) == (
        {"colour": "blue"}, {"EUR": "35.00"}, 7,
    )  # fmt: skip
    assert [fact["event_type"] for fact in await shop.facts(kettle)] == [
        "catalogue.product.listed.v1",
        "pricing.price.changed.v1",
    ]
    again = await import_catalogue(shop.core.db, path, mapped, [f"category=import-{mark}/kitchen"])
    assert (again.listed, again.known, len(again.bad)) == (0, 2, 3)
    assert await shop.ledger({"sku": f"{mark}-1"}) == 7


async def test_the_first_filled_column_counts(shop: Any, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = tmp_path / "catalogue.parquet"
    table = {"sku": [f"{mark}-1", f"{mark}-2"], "title": ["a", "b"], "long": [" ", "Long."], "short": ["Short.", "x"]}
    pq.write_table(pa.table(table), path)
    fixed = [f"category=import-{mark}", "price=1.00", "tags=new,sale"]
    outcome = await import_catalogue(shop.core.db, path, ["description=long|short"], fixed)
    assert (outcome.listed, outcome.bad) == (2, [])
    found = await shop.sql("SELECT description, tags FROM products WHERE sku LIKE %s ORDER BY sku", f"{mark}%")
    assert found == [("Short.", ["new", "sale"]), ("Long.", ["new", "sale"])]


@pytest.mark.parametrize(
    ("mapped", "fixed", "said"),
    [
        (["sku=Nowhere"], [], "the file has no column Nowhere"),
        (["colour=Name"], [], "is no FIELD="),
        (["sku=Article", "title=Name"], ["price=1"], "no column is mapped to category"),
    ],
)
async def test_a_mapping_that_does_not_fit_changes_nothing(
    shop: Any, tmp_path: Path, mapped: list[str], fixed: list[str], said: str
) -> None:
    path = lines(tmp_path, "Article,Name", "1,x")
    with pytest.raises(BadFile, match=said):
        await import_catalogue(shop.core.db, path, mapped, fixed)


@pytest.mark.nightly
async def test_the_real_catalogue_is_taken_whole(shop: Any) -> None:
    path = DATA / "catalogue" / "retrotech_products.parquet"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    mapped = ["sku=upc", "title=name", "brand=manufacturer", "description=long_description|short_description"]
    outcome = await import_catalogue(shop.core.db, path, mapped, ["category=electronics", "price=9.99"])
    assert (outcome.rows, outcome.listed, len(outcome.bad)) == (48_194, 46_156, 2_038)
    assert all(reason.endswith("already") for _, reason in outcome.bad)
