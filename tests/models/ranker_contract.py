"""What every ranker must do, on a checkerboard whose answer is known; each recommender's test class inherits it.

Users like the products of their own colour, and each lacks one product of it: the one product they have not met is what
must come first, though it is no more popular than the others.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

SIZE = 24
AS_OF = datetime(2026, 3, 1, tzinfo=UTC)


def product(index: int) -> str:
    return f"product-{index:02}"


def user(index: int) -> str:
    return f"user-{index:02}"


def missing(index: int) -> int:
    """The product of a user's own colour that the user has not met."""
    return index


def checkerboard(size: int = SIZE) -> pa.Table:
    rows = [
        (user(u), product(p), "view", 1, AS_OF - timedelta(hours=1 + (u * size + p) % 50))
        for u in range(size)
        for p in range(size)
        if (u + p) % 2 == 0 and p != missing(u)
    ]
    names = ("user", "product_id", "kind", "quantity", "occurred_at")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


class RankerContract:
    """Tests of any ranker with ``fold_in``, ``rank``, ``similar`` and ``popular``."""

    def ranker(self):
        """The ranker, trained on the checkerboard."""
        raise NotImplementedError

    def history(self, index: int) -> list[str]:
        return [product(p) for p in range(SIZE) if (index + p) % 2 == 0 and p != missing(index)]

    def test_the_missing_product_of_the_own_colour_comes_first(self) -> None:
        ranker = self.ranker()
        for index in range(SIZE):
            seen = self.history(index)
            vector = ranker.fold_in(seen)
            assert ranker.rank(vector, exclude=seen, limit=3)[0] == product(missing(index))

    def test_a_short_session_already_shows_the_colour(self) -> None:
        ranker = self.ranker()
        best = ranker.rank(ranker.fold_in([product(0), product(4)]), exclude=[], limit=SIZE // 2)
        assert {int(name[-2:]) % 2 for name in best} == {0}

    def test_excluded_products_never_come_back(self) -> None:
        ranker = self.ranker()
        vector = ranker.fold_in([product(1)])
        everything = [product(p) for p in range(SIZE)]
        assert ranker.rank(vector, exclude=everything, limit=5) == []
        left = ranker.rank(vector, exclude=everything[:-2], limit=5)
        assert sorted(left) == everything[-2:]

    def test_no_more_than_asked_and_no_double(self) -> None:
        ranker = self.ranker()
        vector = ranker.fold_in([product(2)])
        for limit in (1, 7, SIZE, SIZE * 2):
            best = ranker.rank(vector, exclude=[], limit=limit)
            assert len(best) == len(set(best)) == min(limit, SIZE)

    def test_similar_products_have_the_same_colour_and_not_itself(self) -> None:
        ranker = self.ranker()
        near = ranker.similar(product(3), 8)
        assert product(3) not in near
        assert {int(name[-2:]) % 2 for name in near} == {1}
        assert ranker.similar("never seen", 8) == []

    def test_nothing_known_gives_no_vector(self) -> None:
        ranker = self.ranker()
        assert ranker.fold_in([]) is None
        assert ranker.fold_in(["never seen"]) is None
        assert len(ranker.popular(5)) == 5
