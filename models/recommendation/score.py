"""The recommendation model as the storefront's workers load it: memory-mapped arrays and numpy, nothing else.

A vector is a shopper's taste. It comes ready made (a known user's, from the online store) or is folded in from the products
just viewed, which is the ALS step for one user and costs a solve of a small system. Set ``OPENBLAS_NUM_THREADS=1`` in the
process: the arrays are small and threads only cost.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float32]


def confidence(weight: npt.NDArray[np.floating], alpha: float) -> npt.NDArray[np.float32]:
    """Confidence that a shopper likes what was interacted with: 1 as for everything unseen, growing with the summed weight
    of the interactions, ever slower (Hu, Koren & Volinsky 2008, the logarithmic form)."""
    return (1.0 + alpha * np.log2(1.0 + weight)).astype(np.float32)


class RecommendationModel:
    """Ranks products for a vector. Safe to use from several threads: nothing changes after loading."""

    def __init__(
        self, product_ids: Sequence[str], item_factors: Matrix, gram: Matrix, popularity: Sequence[int], alpha: float
    ) -> None:
        self.product_ids = list(product_ids)
        self.alpha = alpha
        self._factors = item_factors
        self._gram = np.asarray(gram, dtype=np.float64)
        self._popularity = [int(index) for index in popularity]
        self._index = {product_id: index for index, product_id in enumerate(self.product_ids)}
        self._norms = np.linalg.norm(item_factors, axis=1) + 1e-9

    @classmethod
    def load(cls, folder: Path) -> RecommendationModel:
        """Load a published version; the factors stay memory-mapped, so that workers of one machine share them."""
        settings = json.loads((folder / "model.json").read_text())
        product_ids = json.loads((folder / "product_ids.json").read_text())
        factors = np.load(folder / "item_factors.npy", mmap_mode="r")
        if factors.shape[0] != len(product_ids):
            raise ValueError(f"{folder}: {len(product_ids)} products but {factors.shape[0]} rows of factors")
        gram = np.load(folder / "gram.npy")
        return cls(product_ids, factors, gram, np.load(folder / "popularity.npy").tolist(), settings["alpha"])

    @property
    def user_vector_size(self) -> int:
        return int(self._factors.shape[1])

    def knows(self, product_id: str) -> bool:
        return product_id in self._index

    def fold_in(
        self,
        product_ids: Sequence[str],
        weights: Sequence[float] | None = None,
        prior: Sequence[float] | Vector | None = None,
    ) -> Vector | None:
        """Taste of someone who interacted with these products, None when the model knows none of them and there is no prior.

        Weights are those of ``features.definitions.INTEREST_WEIGHTS``, decayed or not; 1 (a view) by default. ``prior`` is a
        vector known before (the user's own): the new interactions are added to what it stands for.
        """
        summed: dict[int, float] = {}
        for product_id, weight in zip(product_ids, weights or [1.0] * len(product_ids), strict=True):
            index = self._index.get(product_id)
            if index is not None and weight > 0:
                summed[index] = summed.get(index, 0.0) + weight
        start = None if prior is None else np.asarray(prior, dtype=np.float64)
        if start is not None and len(start) != self.user_vector_size:
            start = None  # a vector of another version
        if not summed:
            return None if start is None else start.astype(np.float32)
        liked = self._factors[list(summed)].astype(np.float64)
        sure = confidence(np.fromiter(summed.values(), dtype=float), self.alpha).astype(np.float64)
        left = self._gram + (liked.T * (sure - 1.0)) @ liked
        right = liked.T @ sure
        if start is not None:
            right = right + self._gram @ start
        return np.linalg.solve(left, right).astype(np.float32)

    def rank(self, vector: Sequence[float] | Vector, exclude: Collection[str] = (), limit: int = 20) -> list[str]:
        """The best products for a vector, best first; equal scores keep the catalogue's order."""
        scores = self._factors @ np.asarray(vector, dtype=np.float32)
        return self._best(scores, exclude, limit)

    def similar(self, product_id: str, limit: int = 20) -> list[str]:
        """Products that the same shoppers like (cosine of the factors), without the product itself; none if it is unknown."""
        index = self._index.get(product_id)
        if index is None:
            return []
        scores = (self._factors @ self._factors[index]) / self._norms
        return self._best(scores, (product_id,), limit)

    def popular(self, limit: int = 20) -> list[str]:
        """What most shoppers liked."""
        return [self.product_ids[index] for index in self._popularity[:limit]]

    def _best(self, scores: Vector, exclude: Collection[str], limit: int) -> list[str]:
        hidden = [self._index[product_id] for product_id in exclude if product_id in self._index]
        scores = np.array(scores, dtype=np.float32)
        scores[hidden] = -np.inf
        wanted = min(limit, len(scores) - len(set(hidden)))
        if wanted <= 0:
            return []
        top = np.argpartition(-scores, wanted - 1)[:wanted]
        top = top[np.lexsort((top, -scores[top]))]
        return [self.product_ids[index] for index in top]
