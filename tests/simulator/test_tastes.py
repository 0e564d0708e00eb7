"""Hidden tastes leave traces from which they can be learned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from simulator import choice
from simulator.shoppers import populate
from simulator.tastes import Listed, product_vectors
from simulator.visit import Visit

from .conftest import SEED, Ground

DAYS, TRAIN_DAYS = 20, 16


def browse(ground: Ground) -> tuple[np.ndarray, np.ndarray]:
    """Views by shopper and product, of the first days and of the last, without any recommendation in play."""
    rng, market = np.random.default_rng(1), ground.market()
    views = [np.zeros(ground.affinity.shape), np.zeros(ground.affinity.shape)]
    for day in range(DAYS):
        for shopper in ground.shoppers:
            if rng.random() > 0.4:
                continue
            affinity = ground.affinity[shopper.number].astype(float)
            now = datetime.now(UTC)
            visit = Visit(
                session="session-1",
                affinity=affinity,
                sensitivity=2.6,
                budget=200.0,
                shelf=market.shelf(),
                product_ids=market.product_ids,
                moment=now,
                latest=now + timedelta(minutes=15),
                rng=rng,
            )
            shares = choice.category_shares(affinity, market.category_of, len(market.categories))
            visit.see_list(rng.permutation(len(affinity))[:20], "home")
            for category in rng.choice(len(shares), size=2, p=shares):
                visit.see_list(rng.permutation(np.flatnonzero(market.category_of == category))[:24], "category")
            for row in visit.viewed:
                views[day >= TRAIN_DAYS][shopper.number, row] += 1
    return views[0], views[1]


def recall_at_20(scores: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Share of newly viewed products among the 20 best that were not viewed before."""
    scores = np.where(train > 0, -np.inf, scores)
    best = np.argsort(-scores, axis=1)[:, :20]
    found = []
    for user in range(len(test)):
        wanted = set(np.flatnonzero((test[user] > 0) & (train[user] == 0)))
        if wanted and train[user].any():
            found.append(len(wanted & set(best[user])) / min(len(wanted), 20))
    return float(np.mean(found))


def test_neighbours_predict_twice_as_well_as_popularity(ground: Ground) -> None:
    """Plain cosine between products' visitors: if this finds tastes, so does any recommender worth its name."""
    train, test = browse(ground)
    norms = np.linalg.norm(train, axis=0) + 1.0
    similarity = (train.T @ train) / np.outer(norms, norms)
    learned = recall_at_20(train @ similarity, train, test)
    popular = recall_at_20(np.tile(train.sum(axis=0), (len(train), 1)), train, test)
    assert learned > 2.0 * popular
    assert learned > 0.2


def test_shoppers_of_one_archetype_like_the_same_things(ground: Ground) -> None:
    pure = [s for s in ground.shoppers if max(s.archetypes) > 0.75]
    groups: dict[int, list[np.ndarray]] = {}
    for shopper in pure:
        groups.setdefault(int(np.argmax(shopper.archetypes)), []).append(ground.affinity[shopper.number])
    within = [np.corrcoef(members[0], members[1])[0, 1] for members in groups.values() if len(members) > 1]
    firsts = [members[0] for members in groups.values()]
    between = [np.corrcoef(firsts[i], firsts[i + 1])[0, 1] for i in range(len(firsts) - 1)]
    assert np.mean(within) > 0.85
    assert np.mean(between) < 0.5


def test_the_same_seed_gives_the_same_people_another_seed_others(ground: Ground) -> None:
    archetypes = ground.vectors[:14]
    one, same = (populate(20, archetypes, SEED, "key") for _ in range(2))
    other = populate(20, archetypes, SEED + 1, "key")
    assert [s.visitor for s in one] == [s.visitor for s in same]
    assert np.allclose([s.taste for s in one], [s.taste for s in same])
    assert [s.visitor.device for s in one] != [s.visitor.device for s in other]


def test_passwords_need_the_key_of_the_data_folder(ground: Ground) -> None:
    mine = populate(3, ground.vectors[:14], SEED, "one key")
    theirs = populate(3, ground.vectors[:14], SEED, "another key")
    assert [s.visitor.account.email for s in mine] == [s.visitor.account.email for s in theirs]  # type: ignore[union-attr]
    assert not {s.visitor.account.password for s in mine} & {s.visitor.account.password for s in theirs}  # type: ignore[union-attr]


def test_imported_products_get_places_too_and_like_titles_lie_together() -> None:
    imported = [
        Listed(str(number), title, "imported/gifts", None, 2.5, "GBP")
        for number, title in enumerate(
            ["RED RETROSPOT LUNCH BAG", "PINK RETROSPOT LUNCH BAG", "GARDEN METAL SIGN", "GARDEN METAL SIGN LARGE"]
        )
    ]
    vectors = product_vectors(imported)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert vectors[2] @ vectors[3] > vectors[1] @ vectors[3]
