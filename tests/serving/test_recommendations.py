"""Recommendations: personal, moved by the session at once, and the fallbacks."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from features.definitions import SESSION_RECENT, USER_RECENT, USER_RECOMMENDATIONS, VIEWED, Item, columns_of
from lakefront.artefacts import ModelStore
from serving.decisions import RecommendationRequest


@pytest.fixture
def ask(now, popular):
    def request(user=None, session=None, product_id=None, limit=10, at=now):
        return RecommendationRequest(user, session, product_id, "home", limit, at, popular)

    return request


@pytest.fixture
def view(write_features, now):
    """``view(VIEW, entity, products…)``: these were just looked at."""

    def write(where, entity, *products, age=timedelta(seconds=2)):
        at = now - age
        items = [Item(f"{entity}-{product}", at.timestamp(), 1.0, product) for product in products]
        write_features(where, entity, columns_of(items, VIEWED), at)

    return write


@pytest.fixture
def vector(model_store):
    """``vector(products)``: the taste of someone who likes these, in the space of the model in force."""
    from models.recommendation.score import RecommendationModel

    version = model_store.champion("recommendation")
    model = RecommendationModel.load(model_store.path("recommendation", version))
    return lambda products: [float(value) for value in model.fold_in(products)]


async def test_a_known_shopper_gets_products_of_their_taste(decisions, ask, someone, write_features, vector, tastes):
    published = {"vector": vector(tastes[1][:8]), "product_ids": tastes[1][:5]}
    version = decisions.models.recommendation.version
    write_features(USER_RECOMMENDATIONS, someone, published | {"model_version": version})
    answer = await decisions.recommend(ask(user=someone))
    assert set(answer.product_ids) <= set(tastes[1])
    assert len(answer.product_ids) == 10
    assert (answer.strategy, answer.fallback, answer.model_version) == ("personal", None, version)
    assert answer.features["has_vector"]


@pytest.mark.parametrize("taste", [1, 2])
async def test_a_guest_gets_products_like_those_just_viewed_and_not_these_again(decisions, ask, view, tastes, taste):
    session = f"session-{uuid4()}"
    seen = tastes[taste][:3]
    before = await decisions.recommend(ask(session=session))
    view(SESSION_RECENT, session, *seen)
    after = await decisions.recommend(ask(session=session))
    assert (before.strategy, before.fallback) == ("popular", "no_features")
    assert (after.strategy, after.fallback) == ("session", None)
    assert set(after.product_ids) <= set(tastes[taste]) - set(seen)
    assert set(after.features["recent_product_ids"]) == set(seen)


async def test_one_click_moves_a_known_shopper(decisions, ask, someone, view, write_features, vector, tastes):
    version = decisions.models.recommendation.version
    write_features(
        USER_RECOMMENDATIONS, someone,
        {"vector": vector(tastes[1][:2]), "product_ids": [], "model_version": version},
    )  # fmt: skip
    session = f"session-{uuid4()}"
    before = await decisions.recommend(ask(user=someone, session=session, limit=40))
    view(SESSION_RECENT, session, tastes[2][0])
    after = await decisions.recommend(ask(user=someone, session=session, limit=40))
    assert after.product_ids != before.product_ids
    assert tastes[2][0] not in after.product_ids

    def place(answer):
        return sum(answer.product_ids.index(product) for product in tastes[2][1:])

    assert place(after) < place(before)


async def test_a_view_that_user_and_session_share_counts_once(decisions, ask, someone, write_features, tastes, now):
    session = f"session-{uuid4()}"
    shared = columns_of([Item("one-event", now.timestamp(), 1.0, tastes[1][0])], VIEWED)
    write_features(USER_RECENT, someone, shared)
    write_features(SESSION_RECENT, session, shared)
    answer = await decisions.recommend(ask(user=someone, session=session))
    assert answer.features["recent_weight"] == 1.0


async def test_a_product_page_shows_similar_products_even_without_the_store(decisions_at, ask, tastes):
    decisions = decisions_at("redis://127.0.0.1:1/0")
    answer = await decisions.recommend(ask(session="session-0001", product_id=tastes[2][4]))
    assert set(answer.product_ids) <= set(tastes[2]) - {tastes[2][4]}
    assert answer.fallback == "store_down"


@pytest.mark.parametrize(("version", "is_used"), [("20200101T000000-0000", True), ("29990101T000000-0000", False)])
async def test_of_another_model_only_the_best_items_of_an_earlier_one_are_used(
    decisions, ask, someone, write_features, tastes, version, is_used
):
    """Its vector means nothing in this model's space. A later version than the champion has been rolled back."""
    best = [tastes[2][7], tastes[2][8]]
    write_features(USER_RECOMMENDATIONS, someone, {"vector": [9.0] * 4, "product_ids": best, "model_version": version})
    answer = await decisions.recommend(ask(user=someone))
    assert (answer.product_ids == best) is is_used
    assert answer.strategy == ("personal" if is_used else "popular")


async def test_stale_features_are_not_used_and_said_to_be(decisions, ask, someone, write_features, vector, tastes, now):
    version = decisions.models.recommendation.version
    published = {"vector": vector(tastes[1][:8]), "product_ids": tastes[1][:5], "model_version": version}
    write_features(USER_RECOMMENDATIONS, someone, published, now - timedelta(days=31))
    answer = await decisions.recommend(ask(user=someone))
    assert (answer.strategy, answer.fallback) == ("popular", "stale_features")


async def test_without_a_model_the_published_items_or_the_popular_ones_are_shown(
    decisions_at, store_url, ask, someone, write_features, tmp_path, popular, tastes
):
    decisions = decisions_at(store_url, ModelStore(tmp_path))
    answer = await decisions.recommend(ask(user=someone))
    assert answer.product_ids == popular[:10]
    assert (answer.strategy, answer.fallback, answer.model_version) == ("popular", "no_model", None)
    write_features(USER_RECOMMENDATIONS, someone, {"vector": [1.0], "product_ids": tastes[1][:4], "model_version": "v"})
    answer = await decisions.recommend(ask(user=someone))
    assert (answer.product_ids, answer.strategy, answer.fallback) == (tastes[1][:4], "personal", "no_model")
