"""The import of a catalogue file: what becomes a product, what a bad row is told, and that a second run changes nothing."""

from __future__ import annotations

import asyncio
import csv
import os
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from lakefront.cli.main import app as lakefront
from lakefront.ids import new_id
from transactional.importers.catalogue import import_catalogue
from transactional.importers.catalogue_rows import BadFile
from transactional.importers.command import app

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


async def test_a_row_in_what_is_no_currency_is_told(shop: Any, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    rows = (f"{mark}-1,Pan,1.00,ZZZ", f"{mark}-2,Pot,1.00,SEK")
    path = lines(tmp_path, "sku,title,price,currency", *rows)
    outcome = await import_catalogue(shop.core.db, path, [], [f"category=import-{mark}"])
    assert (outcome.listed, [number for number, _ in outcome.bad]) == (1, [2])
    assert outcome.bad[0][1].startswith("currency: ") and "ZZZ is no currency of ISO 4217" in outcome.bad[0][1]


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


async def test_entities_of_html_are_written_out(shop: Any, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(
        tmp_path,
        "sku,title,description,brand,attributes.fits,category,price,parent,options.size",
        f"{mark}-1,Apple&#xAE; &#8211; 13&quot; &amp; more,A&nbsp;B &lt;b&gt;,R&D &Co&copy=2,&frac12;,import-{mark},1.00,,",
        f"{mark}-2,Shirt,,&nbsp;,,import-{mark},1.00,{mark}-3,S&#47;M",
    )
    outcome = await import_catalogue(shop.core.db, path, [], [])
    assert (outcome.listed, outcome.bad) == (2, [])
    found = await shop.sql(
        "SELECT title, description, brand, attributes FROM products WHERE sku LIKE %s ORDER BY sku", f"{mark}%"
    )
    assert found == [
        ('Apple® \u2013 13" & more', "A\xa0B <b>", "R&D &Co&copy=2", {"fits": "½"}),
        ("Shirt (S/M)", "", None, {}),
        ("Shirt", "", None, {}),
    ]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
async def test_the_header_shows_the_delimiter(shop: Any, tmp_path: Path, delimiter: str) -> None:
    mark = new_id().hex[-10:]
    path = lines(
        tmp_path,
        delimiter.join(("sku", '"title, in short"', "category", "price")),
        delimiter.join((mark, "Pan, large", f"import-{mark}", "1.00")),
    )
    outcome = await import_catalogue(shop.core.db, path, ["title=title, in short"], [])
    assert (outcome.listed, outcome.bad) == (1, [])
    assert await shop.sql("SELECT title FROM products WHERE sku = %s", mark) == [("Pan, large",)]


def test_a_delimiter_can_be_said(database_url: str, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(tmp_path, "sku:title:category:price", f"{mark}:Pan:import-{mark}:1.00")
    hint = CliRunner().invoke(app, ["catalogue", str(path)])
    assert (hint.exit_code, "one column only: is --delimiter another?" in hint.output) == (1, True)
    wrong = CliRunner().invoke(app, ["catalogue", str(path), "--delimiter", "::"])
    assert (wrong.exit_code, "--delimiter is one character" in wrong.output) == (1, True)
    said = CliRunner().invoke(app, ["catalogue", str(path), "--delimiter", ":"])
    assert (said.exit_code, "1 rows: 1 listed" in said.output) == (0, True)
    path.write_text(path.read_text().replace(":", "\t").replace(mark, f"{mark}-2"))
    tabs = CliRunner().invoke(app, ["catalogue", str(path), "--delimiter", "TAB"])
    assert (tabs.exit_code, "1 rows: 1 listed" in tabs.output) == (0, True)


async def test_a_reason_without_a_field_stands_by_itself(shop: Any, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(tmp_path, "sku,title,category,price", f"{mark},Pan,import-{mark},1.005")
    outcome = await import_catalogue(shop.core.db, path, [], [])
    assert outcome.bad == [(2, "the price 1.005 has more decimals than USD has")]


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


async def test_rows_of_one_parent_become_its_variants(shop: Any, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(
        tmp_path,
        "sku,parent,title,category,price,options.size,options.colour,attributes.material,weight_grams,stock.main",
        f"{mark}-S,{mark}-shirt,Shirt,import-{mark},49.00,S,white,linen,200,5",
        f"{mark}-M,{mark}-shirt,,,52.00,M,white,linen,220,3",
        f"{mark}-L,{mark}-shirt,,,52.00,L,white,hemp,,",
        f"{mark}-pan,,Pan,import-{mark},9.00,,,steel,900,1",
    )
    outcome = await import_catalogue(shop.core.db, path, [], [])
    assert (outcome.rows, outcome.products, outcome.listed, outcome.bad) == (4, 2, 4, [])
    found = await shop.client.get("/api/v1/products", params={"category": f"import-{mark}", "sort": "price"})
    pan, shirt = found.json()["items"]
    assert (pan["sku"], pan["has_variants"]) == (f"{mark}-pan", False)
    assert (shirt["sku"], shirt["title"], shirt["price"], shirt["has_variants"]) == (
        f"{mark}-shirt", "Shirt", "49.00", True,
    )  # fmt: skip
    page = (await shop.client.get(f"/api/v1/products/{shirt['product_id']}")).json()
    assert page["options"] == [{"name": "size", "values": ["S", "M", "L"]}, {"name": "colour", "values": ["white"]}]
    assert [(one["sku"][-1], one["price"], one["available"], one["weight_grams"]) for one in page["variants"]] == [
        ("S", "49.00", 5, 200), ("M", "52.00", 3, 220), ("L", "52.00", 0, 200),
    ]  # fmt: skip
    assert [one["attributes"]["material"] for one in page["variants"]] == ["linen", "linen", "hemp"]
    again = await import_catalogue(shop.core.db, path, [], [])
    assert (again.products, again.known, again.bad) == (0, 4, [])


async def test_a_row_of_the_parent_itself_describes_it(shop: Any, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(
        tmp_path,
        "sku,parent,title,category,price,options.size",
        f"{mark},{mark},Shirt,import-{mark},,",
        f"{mark}-M,{mark},Shirt in M,import-{mark},9.00,M",
    )
    outcome = await import_catalogue(shop.core.db, path, [], [])
    assert (outcome.rows, outcome.products, outcome.listed, outcome.bad) == (2, 1, 1, [])
    found = await shop.sql("SELECT title, price FROM products WHERE sku LIKE %s ORDER BY sku", f"{mark}%")
    assert [(title, str(price)) for title, price in found] == [("Shirt", "9.0000"), ("Shirt (M)", "9.0000")]


async def test_a_bad_variant_leaves_its_siblings(shop: Any, tmp_path: Path, internal: dict[str, str]) -> None:
    mark = new_id().hex[-10:]
    path = lines(
        tmp_path,
        "sku,parent,title,category,price,options.size,options.colour,currency",
        f"{mark}-1,{mark}-a,Shirt,import-{mark},9.00,M,,USD",
        f"{mark}-2,{mark}-a,,,dear,L,,USD",
        f"{mark}-3,{mark}-a,,,9.00,M,,USD",
        f"{mark}-4,{mark}-a,,,9.00,,,USD",
        f"{mark}-5,{mark}-a,,,9.00,XL,red,USD",
        f"{mark}-6,{mark}-a,,,9.00,XL,,EUR",
        f"{mark}-1,{mark}-a,,,9.00,XXL,,USD",
        f"{mark}-7,{mark}-a,,,9.00,XXL,,USD",
        f"{mark}-8,,Pan,import-{mark},9.00,,,USD",
        f"{mark}-9,{mark}-a,,,9.00,S,,USD",
        f"{mark}-9,{mark}-8,Pan,import-{mark},9.00,S,,USD",
    )
    outcome = await import_catalogue(shop.core.db, path, [], [])
    assert (outcome.rows, outcome.products, outcome.listed) == (11, 2, 3)
    assert [number for number, _ in outcome.bad] == [3, 4, 5, 6, 7, 8, 11, 12]
    reasons = [reason for _, reason in outcome.bad]
    assert reasons[0].startswith("price: ")
    assert reasons[1:] == [
        f"options: another variant of {mark}-a chooses the same",
        "options: a variant says in what it differs from the others of its parent",
        f"options: variants of {mark}-a choose size",
        f"currency: the first row of {mark}-a says USD",
        f"sku: {mark}-1 stands in line 2 already",
        f"parent: the rows of {mark}-a ended in line 9; they must stand together",
        f"sku: {mark}-8 stands in line 10 already",
    ]
    path.write_text(path.read_text().replace("dear", "9.50"))
    again = await import_catalogue(shop.core.db, path, [], [])
    assert (again.products, again.known, again.listed) == (0, 3, 1)
    assert [number for number, _ in again.bad] == [4, 5, 6, 7, 8, 11, 12]


async def test_later_rows_have_the_price_of_the_first(shop: Any, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(
        tmp_path,
        "sku,parent,title,category,price,currency,prices.USD,options.size",
        f"{mark}-S,{mark},Shirt,import-{mark},20.00,EUR,22.00,S",
        f"{mark}-M,{mark},,,,,,M",
        f"{mark}-L,{mark},,,25.00,,,L",
    )
    outcome = await import_catalogue(shop.core.db, path, [], [])
    assert (outcome.products, outcome.listed, outcome.bad, outcome.incomplete) == (1, 3, [], {})
    found = await shop.client.get("/api/v1/products", params={"category": f"import-{mark}"})
    page = (await shop.client.get(f"/api/v1/products/{found.json()['items'][0]['product_id']}")).json()
    assert page["currency"] == "EUR"
    assert [(one["sku"][-1], one["price"], one["prices"]) for one in page["variants"]] == [
        ("S", "20.00", {"USD": "22.00"}), ("M", "20.00", {"USD": "22.00"}), ("L", "25.00", {}),
    ]  # fmt: skip


async def test_a_mended_row_is_added_to_its_product_which_says_that_it_lacks_it(shop: Any, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(
        tmp_path,
        "sku,parent,title,category,price,options.size,stock.main",
        f"{mark}-S,{mark},Shirt,import-{mark},20.00,S,1",
        f"{mark}-M,{mark},,,dear,M,2",
        f"{mark}-L,{mark},,,dear,L,3",
    )
    outcome = await import_catalogue(shop.core.db, path, [], [])
    assert (outcome.listed, outcome.incomplete) == (1, {mark: [3, 4]})
    path.write_text(path.read_text().replace("dear", "18.00", 1))
    again = await import_catalogue(shop.core.db, path, [], [])
    assert (again.products, again.listed, again.known, again.incomplete) == (0, 1, 1, {mark: [4]})
    found = await shop.sql("SELECT id, price FROM products WHERE sku = %s", mark)
    page = (await shop.client.get(f"/api/v1/products/{found[0][0]}")).json()
    assert [(one["sku"][-1], one["price"], one["available"]) for one in page["variants"]] == [
        ("S", "20.00", 1), ("M", "18.00", 2),
    ]  # fmt: skip
    assert str(found[0][1]) == "18.0000"
    assert page["options"] == [{"name": "size", "values": ["S", "M"]}]


async def test_a_product_that_cannot_take_a_variant_says_why(shop: Any, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    head = "sku,parent,title,category,price,currency,options.size"
    path = lines(
        tmp_path, head, f"{mark}-1,{mark}-a,Shirt,import-{mark},9.00,EUR,S", f"{mark}-b,,Pan,import-{mark},9.00,EUR,"
    )
    await import_catalogue(shop.core.db, path, [], [])
    more = lines(
        tmp_path,
        head,
        f"{mark}-2,{mark}-a,Shirt,import-{mark},9.00,EUR,S",
        f"{mark}-3,{mark}-a,,,9.00,,M",
        f"{mark}-4,{mark}-b,Pan,import-{mark},9.00,EUR,M",
    )
    outcome = await import_catalogue(shop.core.db, more, [], [])
    already = "is listed already, and"
    assert (outcome.listed, outcome.known) == (1, 0)
    assert outcome.bad == [
        (
            2,
            f"parent: {mark}-a {already} {mark}-2 cannot be added: {mark}-2: another variant chooses the same.",
        ),
        (
            4,
            f"parent: {mark}-b {already} {mark}-4 cannot be added: It is sold itself: its stock and orders are its own. "
            "List a product with variants instead.",
        ),
    ]
    in_dollars = lines(tmp_path, head, f"{mark}-5,{mark}-a,Shirt,import-{mark},9.00,USD,L")
    outcome = await import_catalogue(shop.core.db, in_dollars, [], [])
    assert [reason.rpartition("added: ")[2] for _, reason in outcome.bad] == ["Its prices are in EUR, and not in USD."]


async def test_rows_behind_a_bad_first_one_say_that_it_is_bad(shop: Any, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(
        tmp_path,
        "sku,parent,title,category,price,options.size",
        f"{mark}-S,{mark},Shirt,import-{mark},dear,S",
        f"{mark}-M,{mark},,import-{mark},20.00,M",
    )
    outcome = await import_catalogue(shop.core.db, path, [], [])
    assert (outcome.listed, outcome.incomplete) == (0, {})
    assert outcome.bad[1] == (3, f"title: is missing; the first row of {mark}, line 2, is bad")


async def test_a_row_with_too_many_cells_is_bad_and_not_the_file(shop: Any, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(
        tmp_path,
        "sku,title,category,price",
        f'{mark}-1,"On two\nlines",import-{mark},1.00',
        f"{mark}-2,Pan,import-{mark},1.00,surplus",
        "",
        f"{mark}-3,Pan",
        f"{mark}-4,Pot,import-{mark},1.00",
    )
    outcome = await import_catalogue(shop.core.db, path, [], [])
    assert outcome.listed == 2
    assert outcome.bad == [(4, "has 5 cells, the header 4"), (6, "has 2 cells, the header 4")]


def test_the_command_lists_what_is_good_and_reports_the_rest(database_url: str, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(
        tmp_path,
        "Article,Group,Name,Long,Short,Price,Size,Fabric",
        f"{mark}-1,{mark},Shirt,,Light.,49.00,M,linen",
        f"{mark}-2,{mark},Shirt,,,none,L,linen",
        f"{mark}-3,{mark},Shirt,,,52.00,XL,linen",
        f"{mark}-4,,,,,5.00,,",
    )
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(
        '[columns]\nsku = "Article"\nparent = "Group"\ntitle = "Name"\nprice = "Price"\noptions.size = "Size"\n'
        'description = ["Long", "Short"]\n[values]\nbrand = "Norrland"\ncurrency = "EUR"\n'
    )
    report = tmp_path / "bad.csv"
    arguments = [
        "catalogue", str(path), "--mapping", str(mapping), "--map", "attributes.material=Fabric", "--set",
        f"category=import-{mark}", "--report", str(report),
    ]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "4 rows: 2 listed as 1 products, 0 known before, 2 bad" in " ".join(result.output.split())
    assert "line 5: title: is missing" in result.output
    with report.open(newline="") as file:
        header, third, fifth = csv.reader(file)
    assert header == ["line", "reason"]
    assert (third[0], third[1].split(":")[0], fifth) == ("3", "price", ["5", "title: is missing"])
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT title, brand, currency::text, description, attributes FROM products WHERE sku LIKE %s ORDER BY sku",
            [f"{mark}%"],
        ).fetchall()
    assert [row[0] for row in found] == ["Shirt", "Shirt (M)", "Shirt (XL)"]
    assert found[1][1:] == ("Norrland", "EUR", "Light.", {"material": "linen"})


def test_the_help_names_the_tables_of_a_mapping_file() -> None:
    result = CliRunner().invoke(app, ["catalogue", "--help"], env={"COLUMNS": "200"})
    assert 'a TOML file of [columns] (field = "column") and [values] (field = "value")' in result.output
    assert "TOML of [columns] and [values]." in result.output


def test_the_list_of_commands_says_that_catalogues_can_be_imported() -> None:
    result = CliRunner().invoke(lakefront, ["--help"], env={"COLUMNS": "200"})
    assert "Take over a catalogue file, or a real order log." in result.output


def test_the_command_fails_where_every_row_is_bad(database_url: str, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(tmp_path, "sku,title,category,price", f"{mark}-1,Pan,import-{mark},dear", f"{mark}-2,,pans,1.00")
    result = CliRunner().invoke(app, ["catalogue", str(path)])
    assert (result.exit_code, "2 rows: 0 listed" in " ".join(result.output.split())) == (1, True)
    path.write_text(path.read_text().replace("dear", "1.00"))
    assert [CliRunner().invoke(app, ["catalogue", str(path)]).exit_code for _ in "12"] == [0, 0]


def test_a_report_that_cannot_be_written_is_told_before_the_import(database_url: str, tmp_path: Path) -> None:
    mark = new_id().hex[-10:]
    path = lines(tmp_path, "sku,title,category,price", f"{mark},Pan,import-{mark},1.00")
    report = tmp_path / "nowhere" / "bad.csv"
    result = CliRunner().invoke(app, ["catalogue", str(path), "--report", str(report)])
    assert result.exit_code == 1
    assert result.output.strip() == f"{report} cannot be written: No such file or directory"
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT FROM products WHERE sku = %s", [mark]).fetchall() == []


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("sku = ", "mapping.toml cannot be read"),
        ('[fields]\nsku = "Article"', "it has [columns] and [values] only"),
        ("[columns]\nsku = 7", "sku: is no text"),
        ('[columns]\nsku = "Nowhere"', "the file has no column Nowhere"),
    ],
)
def test_a_mapping_file_at_fault_ends_the_command(database_url: str, tmp_path: Path, written: str, said: str) -> None:
    path = lines(tmp_path, "Article,Name", "1,x")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(written)
    result = CliRunner().invoke(app, ["catalogue", str(path), "--mapping", str(mapping)])
    assert result.exit_code == 1
    assert said in " ".join(result.output.split())


@pytest.mark.nightly
async def test_the_real_catalogue_is_taken_whole_within_two_minutes(shop: Any) -> None:
    path = DATA / "catalogue" / "retrotech_products.parquet"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    mapped = ["sku=upc", "title=name", "brand=manufacturer", "description=long_description|short_description"]
    async with asyncio.timeout(120):
        outcome = await import_catalogue(shop.core.db, path, mapped, ["category=electronics", "price=9.99"])
    assert (outcome.rows, outcome.listed, len(outcome.bad)) == (48_194, 46_156, 2_038)
    assert all(reason.endswith("already") for _, reason in outcome.bad)
