"""A product with variants is one result: found by their words, at the prices of all, available where one of them is."""

from __future__ import annotations

from typing import Any

SHIRTS = [
    {"options": {"size": "M", "colour": "white"}, "stock": {"main": 0}},
    {"options": {"size": "L", "colour": "white"}, "price": "52.00", "stock": {"main": 2}},
    {"options": {"size": "L", "colour": "indigo"}, "price": "75.00", "attributes": {"dye": "natural woad"}},
]


def shirts(sku: str) -> list[dict[str, Any]]:
    return [{"sku": f"{sku}-{number}", **one} for number, one in enumerate(SHIRTS)]


def titles(found: dict[str, Any]) -> list[str]:
    return [item["title"] for item in found["items"]]


async def set_stock(client, internal, variant: dict[str, Any], quantity: int) -> None:
    answer = await client.put(
        f"/api/v1/inventory/{variant['variant_id']}/quantity",
        json={"quantity": quantity, "warehouse": "main"},
        headers=internal,
    )
    assert answer.status_code == 200, answer.text


async def test_a_product_with_variants_is_one_result_with_the_range_of_their_prices(
    find, index, create_product
) -> None:
    shirt = await create_product(title="Linen shirt", price="49.00", variants=shirts("SHIRT"), seller="loom-ab")
    await index()
    found = await find("linen shirt")
    (item,) = found["items"]
    assert found["count"] == 1
    assert {name: item[name] for name in ("product_id", "price", "highest_price", "in_stock", "has_variants")} == {
        "product_id": shirt["product_id"], "price": "49.00", "highest_price": "75.00", "in_stock": True,
        "has_variants": True,
    }  # fmt: skip
    assert (item["seller"], item["highlights"]["title"]) == ("loom-ab", "<b>Linen</b> <b>shirt</b>")


async def test_it_is_found_by_the_words_options_and_skus_of_its_variants(find, index, create_product) -> None:
    await create_product(title="Linen shirt", variants=shirts("ABERDEEN"))
    await create_product(title="Plain shirt")
    await index()
    for text in ("indigo shirt", "shirt woad", "aberdeen-1", "ABERDEEN"):
        assert titles(await find(text)) == ["Linen shirt"], text


async def test_a_price_between_those_of_its_variants_does_not_find_it(find, index, create_product) -> None:
    await create_product(title="Linen shirt", price="49.00", variants=shirts("SHIRT"))
    await index()
    assert (await find("shirt", price_min="50", price_max="60"))["match"] == "all_words"
    assert titles(await find("shirt", price_min="75", price_max="80")) == ["Linen shirt"]
    assert titles(await find("shirt", price_min="53", price_max="74")) == []
    assert titles(await find("shirt", price_max="48.99")) == []
    assert (await find("shirt"))["facets"]["prices"] == [
        {"currency": "USD", "lowest": "20.00", "highest": "49.99", "count": 1},
        {"currency": "USD", "lowest": "50.00", "highest": "99.99", "count": 1},
    ]


async def test_options_of_variants_are_facets_and_filters_of_their_product(find, index, create_product) -> None:
    await create_product(
        title="Linen shirt", variants=shirts("SHIRT"), tags=["summer"], attributes={"material": "linen"}
    )
    await create_product(title="Cotton shirt", attributes={"material": "cotton", "colour": "white"}, tags=["summer"])
    await index()
    found = await find("shirt")
    values = {
        each["name"]: [(v["value"], v["count"]) for v in each["values"]] for each in found["facets"]["attributes"]
    }
    assert values == {
        "colour": [("white", 2), ("indigo", 1)], "material": [("cotton", 1), ("linen", 1)],
        "size": [("L", 1), ("M", 1)], "dye": [("natural woad", 1)],
    }  # fmt: skip
    assert found["facets"]["tags"] == [{"value": "summer", "count": 2}]
    assert titles(await find("shirt", attribute="colour:indigo")) == ["Linen shirt"]
    assert (await find("shirt", attribute=["material:linen", "material:cotton"]))["count"] == 2
    assert titles(await find("shirt", attribute=["material:cotton", "size:L"])) == []


async def test_a_change_of_a_variant_brings_its_product_up_to_date(house, client, internal, create_product) -> None:
    writer = house.writer()
    await writer.open()
    product = await create_product(title="Linen shirt", price="49.00", variants=shirts("SHIRT"))
    await house.catch_up(writer)
    white = product["variants"][1]
    await set_stock(client, internal, white, 0)
    await house.catch_up(writer)
    (card,) = house.found("kind", "product")
    assert (card["product_id"], card["in_stock"], card["price"]) == (product["product_id"], False, "49.00")
    changes = [{"product_id": white["variant_id"], "price": "46.50"}]
    answer = await client.post("/api/v1/pricing/changes", json={"changes": changes}, headers=internal)
    assert answer.status_code == 200, answer.text
    await set_stock(client, internal, white, 1)
    await house.catch_up(writer)
    (card,) = house.found("availability", "in_stock")
    assert (card["price"], card["highest_price"], card["in_stock"]) == ("46.50", "75.00", True)


async def test_what_is_bought_of_a_variant_counts_for_its_product(
    house, find, index, shop, internal, create_user
) -> None:
    from transactional.catalogue.service import count_popularity

    answer = await shop.client.post(
        "/api/v1/products",
        json={
            "products": [
                {"sku": "A", "title": "Shirt", "category": "x", "price": "9.00", "stock": {"main": 9}},
                {"sku": "B", "title": "Shirt", "category": "x", "price": "9.00", "variants": [
                    {"sku": "B-L", "options": {"size": "L"}, "stock": {"main": 9}}]},
            ]
        },
        headers=internal,
    )  # fmt: skip
    plain, wide = answer.json()["items"]
    user = await create_user()
    bought = await shop.order(user.headers, {"product_id": wide["variants"][0]["variant_id"]}, quantity=4)
    assert bought.status_code == 201, bought.text
    await count_popularity(house.core)
    await index()
    for sort in ("relevance", "popularity"):
        found = await find("shirt", sort=sort)
        assert [item["product_id"] for item in found["items"]] == [wide["product_id"], plain["product_id"]], sort


async def test_a_variant_that_is_named_alone_is_shown_as_its_product_and_one_that_is_gone_not_at_all(
    house, shop, create_product
) -> None:
    writer = house.writer()
    await writer.open()
    product = await create_product(title="Linen shirt", price="49.00", variants=shirts("SHIRT"))
    await house.catch_up(writer)
    await shop.sql("UPDATE products SET status = 'inactive' WHERE id = %s", product["variants"][0]["variant_id"])
    await writer._put([product["variants"][0]["variant_id"]], writer._progress)
    (card,) = house.found("kind", "product")
    assert (card["price"], card["highest_price"]) == ("52.00", "75.00")
    await shop.sql("UPDATE products SET status = 'discontinued' WHERE id = %s", product["product_id"])
    await writer._put([product["variants"][1]["variant_id"]], writer._progress)
    assert house.found("kind", "product") == []
