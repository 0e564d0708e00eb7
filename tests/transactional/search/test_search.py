"""Searching through the API: what is found, in which order, with which facets, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from typing import Any
from urllib.parse import quote_from_bytes

import httpx

from transactional.platform.cursors import decode_cursor, encode_cursor
from transactional.search import service
from transactional.search.building import put_products
from transactional.search.index import Generation, Progress
from transactional.search.schemas import SearchResults


def titles(found: dict[str, Any]) -> list[str]:
    return [item["title"] for item in found["items"]]


async def test_a_product_is_found_by_its_words_in_any_form_and_field(find, index, create_product) -> None:
    await create_product(
        title="Enamel Kettle", brand="Nörrland", category="home/kitchen", attributes={"colour": "Blue"}
    )
    await create_product(title="Garden hose", category="home/garden", description="Fits the kettle of no one.")
    await index()
    for text in ("kettles", "ENAMEL kettle", "norrland", "kitchen kettle", "blue kettles"):
        assert titles(await find(text))[0] == "Enamel Kettle", text
    found = await find("kettle")
    SearchResults.model_validate(found)  # the cards have all that lists show
    assert (titles(found), found["match"], found["count"]) == (["Enamel Kettle", "Garden hose"], "all_words", 2)
    assert found["items"][0]["highlights"] == {"title": "Enamel <b>Kettle</b>", "description": None}
    assert found["items"][1]["highlights"] == {
        "title": "Garden hose",
        "description": "Fits the <b>kettle</b> of no one",
    }


async def test_the_title_counts_more_than_the_description(find, index, create_product) -> None:
    await create_product(title="Teapot", description="Goes with our samovar, samovar, samovar.")
    await create_product(title="Samovar of brass with a long name")
    await index()
    assert titles(await find("samovar")) == ["Samovar of brass with a long name", "Teapot"]


async def test_what_can_be_bought_ranks_before_what_is_gone(find, index, create_product) -> None:
    await create_product(title="Compass", stock={"main": 0})
    await create_product(title="Compass", stock={"main": 4})
    await index()
    assert [item["in_stock"] for item in (await find("compass"))["items"]] == [True, False]
    assert (await find("compass", in_stock=True))["count"] == 1


async def test_filters_narrow_and_facets_count_what_is_left(find, index, create_product) -> None:
    for number, (category, brand, price) in enumerate(
        [("home/kitchen", "Ada", "5.00"), ("home/kitchen", "Ada", "7.50"), ("home/garden", "Bo", "10.00")]
    ):
        await create_product(title=f"Mug {number}", category=category, brand=brand, price=price, stock={"main": 1})
    await index()
    found = await find("mug")
    assert found["facets"] == {
        "categories": [
            {"value": "home", "count": 3}, {"value": "home/kitchen", "count": 2}, {"value": "home/garden", "count": 1},
        ],
        "brands": [{"value": "Ada", "count": 2}, {"value": "Bo", "count": 1}],
        "sellers": [], "tags": [], "attributes": [],
        "prices": [
            {"currency": "USD", "lowest": "5.00", "highest": "9.99", "count": 2},
            {"currency": "USD", "lowest": "10.00", "highest": "19.99", "count": 1},
        ],
        "availability": [{"value": "in_stock", "count": 3}],
    }  # fmt: skip
    assert (await find("mug", category="home/garden"))["facets"]["brands"] == [{"value": "Bo", "count": 1}]
    assert (await find("mug", category="home"))["count"] == 3
    assert sorted(titles(await find("mug", brand="Ada"))) == ["Mug 0", "Mug 1"]
    assert (await find("mug", brand=["Ada", "Bo"]))["count"] == 3
    assert titles(await find("mug", price_min="7.50", price_max="7.50")) == ["Mug 1"]
    assert (await find("mug", price_min="7.51"))["count"] == 1


async def test_a_misspelt_word_is_corrected_when_nothing_else_is_found(find, index, create_product) -> None:
    await create_product(title="Enamel kettle")
    await create_product(title="Thermometer")
    await index()
    found = await find("enamal kettel")
    assert (titles(found), found["match"], found["did_you_mean"]) == (["Enamel kettle"], "corrected", "enamel kettle")
    found = await find("termomeeter")  # two edits
    assert (titles(found), found["did_you_mean"]) == (["Thermometer"], "thermometer")
    found = await find("enamelkettle")
    assert (titles(found), found["did_you_mean"]) == (["Enamel kettle"], "enamel kettle")


async def test_a_known_word_is_never_corrected_even_if_it_is_rare(find, index, create_product) -> None:
    await create_product(title="Bat")
    for number in range(5):
        await create_product(title=f"Cat {number}")
    await index()
    found = await find("bat")
    assert (titles(found), found["match"], found["did_you_mean"]) == (["Bat"], "all_words", None)


async def test_some_words_do_when_no_product_has_all_and_popular_products_when_none_has_any(
    find, index, create_product
) -> None:
    await create_product(title="Red bicycle", stock={"main": 1})
    await create_product(title="Red wagon", stock={"main": 0})
    await index()
    found = await find("red bicycle zzyzx")
    assert (found["match"], titles(found)) == ("some_words", ["Red bicycle", "Red wagon"])
    found = await find("zzyzx")
    assert (found["match"], titles(found), found["did_you_mean"]) == ("popular", ["Red bicycle"], None)
    assert (found["count"], found["next_cursor"], found["facets"]["categories"]) == (0, None, [])


async def test_where_nothing_is_found_what_sells_is_shown_within_the_filters(find, index, create_product, shop) -> None:
    for title, category, units, stock in (
        ("Best", "a", 90, 1), ("Second", "b", 40, 1), ("Sold out", "a", 200, 0), ("Unsold", "a", 0, 1),
    ):  # fmt: skip
        product = await create_product(title=title, category=category, stock={"main": stock})
        await shop.sql("UPDATE products SET popularity = %s WHERE id = %s", units, product["product_id"])
    await create_product(title="New", category="c", stock={"main": 1})
    await index()
    assert titles(await find("zzyzx")) == ["Best", "Second"]
    assert titles(await find("zzyzx", category="b")) == ["Second"]
    assert titles(await find("zzyzx", category="c")) == ["New"]
    assert titles(await find("zzyzx", category="a", limit=1)) == ["Best"]


async def test_synonyms_are_found_after_what_was_asked_for(find, index, create_product) -> None:
    await create_product(title="Couch", stock={"main": 1})
    await create_product(title="Sofa", stock={"main": 1})
    await create_product(title="Blu-Ray player", stock={"main": 1})
    await index()
    assert titles(await find("sofa")) == ["Sofa", "Couch"]
    assert titles(await find("bluray")) == ["Blu-Ray player"]


async def test_a_synonym_that_no_product_has_is_not_taken_for_a_slip(find, index, create_product) -> None:
    await create_product(title="TV bench")
    await create_product(title="Jelly bench")
    await index()
    found = await find("telly bench")
    assert (titles(found), found["match"], found["did_you_mean"]) == (["TV bench"], "all_words", None)


async def test_one_word_too_many_leaves_what_has_the_others_on_top(find, index, create_product) -> None:
    for title in ("Red steel kettle", "Red steel pan", "Steel kettle", "Red door", "Wall"):
        await create_product(title=title, stock={"main": 1})
    await index()
    found = await find("red kettle steel wall")  # no product has all four
    assert (found["match"], found["count"]) == ("some_words", 5)
    assert titles(found)[0] == "Red steel kettle"
    await create_product(title="Red kettle wall mount")
    await create_product(title="Steel kettle wall mount")
    await index()
    service.results.clear()
    found = await find("red kettle steel wall")
    assert (found["match"], sorted(titles(found))) == (
        "some_words", ["Red kettle wall mount", "Red steel kettle", "Steel kettle wall mount"],
    )  # fmt: skip


async def test_pages_follow_each_other_and_end(find, index, create_product) -> None:
    for number in range(5):
        await create_product(title=f"Pencil {number}")
    await index()
    seen: list[str] = []
    cursor: dict[str, str] = {}
    pages = 0
    while True:
        found = await find("pencil", limit=2, **cursor)
        seen += titles(found)
        pages += 1
        if found["next_cursor"] is None:
            break
        cursor = {"cursor": found["next_cursor"]}
    assert (pages, sorted(seen)) == (3, [f"Pencil {number}" for number in range(5)])
    assert titles(await find("pencil", limit=2, page=2)) == seen[2:4]


async def test_cursors_of_another_index_and_pages_too_deep_are_told_apart(client, index, create_product) -> None:
    await create_product(title="Pencil")
    await create_product(title="Pencil")
    name = await index()

    async def refused(**parameters: Any) -> str:
        answer = await client.get("/api/v1/search", params={"q": "pencil", **parameters})
        assert answer.status_code == 422, answer.text
        return answer.json()["code"]

    first = await client.get("/api/v1/search", params={"q": "pencil", "limit": 1})
    own, key, place = decode_cursor(first.json()["next_cursor"], 3)
    assert (own, place) == (name, "1")
    assert await refused(cursor=encode_cursor("v2-gone", key, "20")) == "cursor_expired"
    places = (encode_cursor(name, key, place) for place in ("-1", "1000", "²"))
    for wrong in (*places, encode_cursor(name, "1"), "%%%", "x"):
        assert await refused(cursor=wrong) == "invalid_cursor", wrong
    assert await refused(page=51, limit=20) == "too_deep"
    assert await refused(price_min="5", price_max="4") == "invalid_request"
    assert await refused(unknown="1") == "invalid_request"
    answer = await client.get("/api/v1/search", params={"q": "?!"})
    assert (answer.status_code, answer.json()["title"]) == (422, "q has no word to look for")


async def test_a_category_that_there_is_not_is_told_from_one_without_results(
    client, find, index, shop, create_product
) -> None:
    await create_product(title="Pencil", category="office/pens")
    ink = await create_product(title="Ink", category="office/ink")
    await shop.sql("UPDATE products SET status = 'inactive' WHERE id = %s", ink["product_id"])
    await index()
    empty = await find("pencil", category="office/ink")
    assert (empty["items"], empty["count"]) == ([], 0)
    asked = {"q": "pencil", "category": "nope"}
    for answer in (
        await client.get("/api/v1/search", params=asked),
        await client.post("/api/v1/products/search", json=asked),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "category_not_found")
    parameters = (await client.get("/openapi.json")).json()["paths"]["/api/v1/search"]["get"]["parameters"]
    described = next(str(one) for one in parameters if one["name"] == "category")
    assert "those below it are included" in described
    assert "created" not in described


async def test_titles_are_shown_in_the_language_that_is_asked_for(find, index, create_product) -> None:
    await create_product(title="Linen shirt", translations={"de": {"title": "Leinenhemd <neu>"}})
    await index()
    found = await find("leinenhemd", language="de")
    SearchResults.model_validate(found)
    assert titles(found) == ["Leinenhemd <neu>"]
    assert found["items"][0]["highlights"]["title"] == "Leinenhemd &lt;neu&gt;"
    for parameters in ({}, {"language": "fr"}):
        assert titles(await find("leinenhemd", **parameters)) == ["Linen shirt"], parameters


async def test_a_cursor_belongs_to_its_search(client, find, index, create_product) -> None:
    for title in ("DVD", "DVD", "CD", "CD"):
        await create_product(title=title, category="home/media")
    await index()
    cursor = (await find("dvd", limit=1, in_stock=False))["next_cursor"]
    assert titles(await find("DVD!", limit=1, cursor=cursor)) == ["DVD"]
    for other in ({"q": "cd"}, {"q": "dvd", "sort": "newest"}, {"q": "dvd", "category": "home"}):
        answer = await client.get("/api/v1/search", params={**other, "limit": 1, "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor"), other


async def test_operators_and_markup_in_a_query_are_words_and_nothing_else(find, index, create_product) -> None:
    await create_product(title="<script>alert(1)</script> AND poster")
    await index()
    found = await find('title:"poster" AND -script [ TO *')
    assert found["items"][0]["highlights"]["title"].startswith("&lt;<b>script</b>&gt;alert(1)")


async def test_without_an_index_search_says_when_to_come_again_and_the_rest_goes_on(
    client, house, create_product
) -> None:
    product = await create_product()
    for path in ("/api/v1/search?q=x", "/api/v1/search/suggestions?prefix=x"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "search_unavailable")
        assert answer.headers["retry-after"] == "5"
    assert (await client.get(f"/api/v1/products/{product['product_id']}")).status_code == 200


async def test_an_index_that_goes_away_leaves_a_clear_answer(client, house, index, create_product) -> None:
    await create_product(title="Gone")
    await index()
    assert (await client.get("/api/v1/search?q=gone")).status_code == 200
    shutil.rmtree(house.folder.root)
    await service.search_of(house.core).reader.look()
    assert (await client.get("/api/v1/search?q=gone")).json()["code"] == "search_unavailable"


async def test_readers_answer_while_the_index_is_built_anew(find, index, create_product) -> None:
    await create_product(title="Steady")
    first = await index()
    answers = await asyncio.gather(index(), *(find("steady", page=1, limit=1 + number) for number in range(20)))
    assert answers[0] != first
    assert all(titles(found) == ["Steady"] for found in answers[1:])
    assert titles(await find("steady")) == ["Steady"]


async def test_suggestions_complete_the_last_word_by_how_many_products_have_it(client, index, create_product) -> None:
    await create_product(title="Camping stove")
    await create_product(title="Camping stool")
    await create_product(title="Steel stool")
    await index()

    async def suggested(prefix: str) -> list[tuple[str, int]]:
        answer = await client.get("/api/v1/search/suggestions", params={"prefix": prefix})
        assert answer.status_code == 200, answer.text
        return [(each["text"], each["products"]) for each in answer.json()["suggestions"]]

    assert await suggested("sto") == [("stool", 2), ("stove", 1)]
    assert await suggested("Camping ST") == [("camping stool", 1), ("camping stove", 1)]
    assert await suggested("xyz") == []


async def test_a_suggestion_says_how_many_a_search_for_it_finds(
    client, find, house, index, create_product, shop
) -> None:
    made = [await create_product(title=title) for title in ("Sketchbook", "Sketchbook", "Sketch", "Skeleton", "Skein")]
    await create_product(title="Pencil", description="For sketchbooks.")
    await index()
    await shop.sql("UPDATE products SET status = 'inactive' WHERE id = %s", made[4]["product_id"])
    generation = Generation.open(house.folder.path(house.folder.current()))
    for _ in range(3):  # what is put anew leaves the former document to the next merge
        await put_products(generation, house.core.db, [each["product_id"] for each in made])
        generation.commit(Progress())
    generation.close()
    await service.search_of(house.core).reader.look()
    answer = await client.get("/api/v1/search/suggestions", params={"prefix": "ske"})
    suggested = {each["text"]: each["products"] for each in answer.json()["suggestions"]}
    assert suggested == {"sketchbook": 3, "sketch": 1, "skeleton": 1}
    assert list(suggested) == ["sketchbook", "sketch", "skeleton"]
    for text, products in suggested.items():
        assert (await find(text))["count"] == products, text


async def test_a_search_by_body_finds_the_same(client, find, index, create_product) -> None:
    await create_product(title="Whistle", price="3.00")
    await index()
    answer = await client.post("/api/v1/products/search", json={"q": "whistle", "price_max": 3})
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.content) == await find("whistle")


async def test_broad_facets_are_counted_off_the_request(house, find, index, create_product, monkeypatch) -> None:
    monkeypatch.setattr(service, "BROAD", 1)
    monkeypatch.setattr(service, "FACETS_SECONDS", 0.0)
    monkeypatch.setattr(service.results, "_seconds", 0.0)
    await create_product(title="Brick", category="build/stone")
    await index()
    before = await find("brick")
    await create_product(title="Brick", category="build/wood")
    # The same generation, brought up to date by its writer.
    writer = house.writer()
    await writer.open()
    await house.catch_up(writer)
    await service.search_of(house.core).reader.look()
    found = await find("brick")
    assert (found["count"], found["facets"]) == (2, before["facets"])  # as counted before, and being counted anew
    for _ in range(100):
        if (found := await find("brick"))["facets"] != before["facets"]:
            break
        await asyncio.sleep(0.02)
    assert found["facets"]["categories"][0] == {"value": "build", "count": 2}


async def test_results_are_sorted_by_price_age_and_sales_where_asked(house, find, index, create_product, shop) -> None:
    for title, price, units in (("Old lamp", "5.00", 3), ("Lamp", "20.00", 40), ("New lamp", "9.50", 0)):
        product = await create_product(title=title, price=price, stock={"main": 1})
        await shop.sql("UPDATE products SET popularity = %s WHERE id = %s", units, product["product_id"])
        await asyncio.sleep(0.002)  # "newest" goes by milliseconds
    await index()
    orders = {
        "price": ["Old lamp", "New lamp", "Lamp"],
        "price_desc": ["Lamp", "New lamp", "Old lamp"],
        "newest": ["New lamp", "Lamp", "Old lamp"],
        "popularity": ["Lamp", "Old lamp", "New lamp"],
    }
    for sort, expected in orders.items():
        assert titles(await find("lamp", sort=sort)) == expected, sort
    first = await find("lamp", sort="price", limit=2)
    second = await find("lamp", sort="price", limit=2, cursor=first["next_cursor"])
    assert titles(first) + titles(second) == orders["price"]


async def test_results_are_sorted_and_filtered_by_what_reviews_say(find, index, create_product, shop) -> None:
    given = {"Old lamp": "{0,0,0,0,1}", "Lamp": "{0,0,0,40,160}", "New lamp": None, "Bad lamp": "{9,1,0,0,0}"}
    for title, stars in given.items():
        product = await create_product(title=title, stock={"main": 1})
        if stars:
            await shop.sql("UPDATE products SET rating_stars = %s WHERE id = %s", stars, product["product_id"])
    await index()
    found = await find("lamp", sort="rating")
    assert titles(found) == ["Lamp", "Old lamp", "New lamp", "Bad lamp"]
    assert [(item["rating_average"], item["rating_count"]) for item in found["items"]] == [
        (4.8, 200), (5.0, 1), (None, 0), (1.1, 10),
    ]  # fmt: skip
    for least, expected in (
        ("4.8", ["Lamp", "Old lamp"]),
        ("4.81", ["Old lamp"]),
        ("1", ["Lamp", "Old lamp", "Bad lamp"]),
    ):
        narrowed = await find("lamp", sort="rating", rating_min=least)
        assert (titles(narrowed), narrowed["count"]) == (expected, len(expected)), least


async def test_sellers_and_tags_are_facets_and_filters(find, index, create_product) -> None:
    await create_product(title="Hat", seller="ada-ltd", tags=["wool", "winter-sale"])
    await create_product(title="Hat", seller="bo-ab", tags=["wool"])
    await create_product(title="Hat")
    await index()
    found = await find("hat")
    assert found["facets"]["sellers"] == [{"value": "ada-ltd", "count": 1}, {"value": "bo-ab", "count": 1}]
    assert found["facets"]["tags"] == [{"value": "wool", "count": 2}, {"value": "winter-sale", "count": 1}]
    assert (await find("hat", seller="bo-ab"))["count"] == 1
    assert (await find("hat", tag=["wool", "winter-sale"]))["count"] == 1
    assert (await find("hat winter sale"))["match"] == "all_words"


async def test_each_price_range_finds_as_many_as_it_counts(find, index, create_product) -> None:
    for price in ("0.50", "1.00", "1.99", "2.00", "49.99", "50.00", "99999.99"):
        await create_product(title="Gift", price=price)
    await create_product(title="Gift", price="500", currency="JPY")
    await index()
    ranges = (await find("gift"))["facets"]["prices"]
    assert [(each["currency"], each["lowest"], each["highest"], each["count"]) for each in ranges] == [
        ("JPY", "500", "999", 1), ("USD", "0.00", "0.99", 1), ("USD", "1.00", "1.99", 2), ("USD", "2.00", "4.99", 1),
        ("USD", "20.00", "49.99", 1), ("USD", "50.00", "99.99", 1), ("USD", "50000.00", "99999.99", 1),
    ]  # fmt: skip
    for each in ranges[1:]:
        found = await find("gift", price_min=each["lowest"], price_max=each["highest"])
        assert found["count"] == each["count"], each


async def test_a_translated_title_finds_the_product(find, index, create_product) -> None:
    await create_product(title="Linen shirt", translations={"de": {"title": "Leinenhemd"}})
    await index()
    assert titles(await find("leinenhemd")) == ["Linen shirt"]


TYPED = (
    'AND OR NOT "', "title:x", "a* b~2 c^9", "(((((", "[1 TO", "\\", "'; DROP TABLE products; --", "the of and a",
    "чайник эмаль", "青い やかん", "غلاية", "नीला केतली", "🫖 tea", "a\tb\nc\r", "\x01\x1f\x7f kettle", "x" * 200,
    "a " * 100, "é" * 90, "\u202ekettle", "\ufb01ne", "İstanbul", "ß", "½", "٣", "e\u0301", "a\u0000b", "\ufffe", "%00",
    "-", " ", "\u200b", "\ud83e",
)  # fmt: skip
"""Operators, nothing but stop words, other scripts, very long words, control characters, a lone surrogate."""


async def test_whatever_is_typed_is_answered_or_refused_but_never_fails(from_anywhere, index, create_product) -> None:
    await create_product(title="Kettle of the a b", stock={"main": 1})
    await index()
    for text in TYPED:
        sent = quote_from_bytes(text.encode("utf-8", "surrogatepass")).encode()
        for path, parameter in (("/api/v1/search", b"q"), ("/api/v1/search/suggestions", b"prefix")):
            async with from_anywhere() as shopper:
                answer = await shopper.get(httpx.URL(path, query=parameter + b"=" + sent))
            assert answer.status_code in (200, 422), (path, text, answer.text)
        body = json.dumps({"q": text}).encode()
        headers = {"Content-Type": "application/json"}
        async with from_anywhere() as shopper:
            answer = await shopper.post("/api/v1/products/search", content=body, headers=headers)
        assert answer.status_code in (200, 400, 422), (text, answer.text)
        if answer.status_code == 200:
            assert titles(answer.json()) == ["Kettle of the a b"], text
        else:
            assert answer.headers["content-type"] == "application/problem+json", text


async def test_queries_go_on_while_the_command_builds_the_index_anew(
    house, from_anywhere, find, index, create_product
) -> None:
    for number in range(30):
        await create_product(title=f"Steady {number}")
    before = await index()
    building = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from lakefront.cli import main; main()", "search", "rebuild", stdout=subprocess.DEVNULL
    )
    ended = asyncio.create_task(building.wait())
    asked = 0
    while not ended.done():
        async with from_anywhere() as shopper:
            answer = await shopper.get("/api/v1/search", params={"q": "steady", "limit": 1 + asked % 30})
        assert answer.status_code == 200, answer.text
        assert (answer.json()["count"], answer.json()["match"]) == (30, "all_words")
        asked += 1
    assert ended.result() == 0
    await service.search_of(house.core).reader.look()
    assert service.search_of(house.core).reader.snapshot.generation != before
    assert (await find("steady"))["count"] == 30
    assert asked > 5
