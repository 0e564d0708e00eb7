"""How a shopper chooses: multinomial logit over taste, price, competitors' prices, position and stock, with noise.

All functions are plain arithmetic on arrays, so that a session costs microseconds and the tests can hold the choices
to what the parameters say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TASTE = 8.0
"""Weight of a taste's cosine: a product of the own corner (.7) is e^4.8 times as likely as one of nowhere (.1)."""
CLICK_PRICE = 0.45
"""Share of the price sensitivity that already works on a list, where the price is seen beside the picture."""
COMPETITOR = 0.8
"""How strongly a cheaper offer elsewhere keeps from buying, in units of log price."""
POSITION_DECAY = 0.085
"""Attention lost per place of a list."""
OUT_OF_STOCK = -2.5
"""A product marked as out of stock is looked at rarely and bought never."""
LOOK_OUTSIDE = 4.8
"""Utility of not clicking: lists without anything of the own corner are left."""
CART_CONSTANT = -5.0
CART_TASTE = 4.2

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shelf:
    """What everybody sees of the products at a moment, by row of the catalogue."""

    price: Floats
    reference: Floats
    """Price one expects to pay: the product's base price."""
    competitor: Floats
    available: NDArray[np.bool_]
    appeal: Floats
    """What everybody likes about a product, whatever their taste."""
    elasticity: Floats
    """How much the price matters in the product's category: 1 is usual."""

    def dearness(self) -> Floats:
        return np.log(self.price / self.reference)

    def competition(self) -> Floats:
        """Positive where a competitor is cheaper."""
        return np.log(self.price / self.competitor)


def clicks(
    rows: NDArray[np.intp],
    affinity: Floats,
    shelf: Shelf,
    *,
    sensitivity: float,
    most: int,
    rng: np.random.Generator,
) -> list[int]:
    """Places of a list that are clicked, best first: Gumbel draws of a logit, each against not clicking."""
    places = np.arange(len(rows))
    utility = TASTE * affinity[rows] + shelf.appeal[rows] - POSITION_DECAY * places
    utility -= CLICK_PRICE * sensitivity * shelf.elasticity[rows] * shelf.dearness()[rows]
    utility += np.where(shelf.available[rows], 0.0, OUT_OF_STOCK)
    drawn = utility + rng.gumbel(size=len(rows))
    outside = LOOK_OUTSIDE + rng.gumbel(size=len(rows))
    order = np.argsort(-drawn)[:most]
    return [int(place) for place in order if drawn[place] > outside[place]]


def cart_probability(row: int, affinity: Floats, shelf: Shelf, sensitivity: float, budget: float) -> float:
    """Chance that a viewed product goes into the cart: taste, price, competitors, the purse."""
    if not shelf.available[row]:
        return 0.0
    dearness = float(np.log(shelf.price[row] / shelf.reference[row]))
    competition = float(np.log(shelf.price[row] / shelf.competitor[row]))
    utility = CART_CONSTANT + CART_TASTE * float(affinity[row]) + 0.6 * float(shelf.appeal[row])
    utility -= sensitivity * float(shelf.elasticity[row]) * dearness
    utility -= COMPETITOR * max(competition, 0.0)
    utility -= 0.9 * max(float(np.log(shelf.price[row] / budget)), 0.0)
    return float(1.0 / (1.0 + np.exp(-utility)))


def category_shares(affinity: Floats, category_of: NDArray[np.intp], categories: int) -> Floats:
    """How likely each category is where a visit goes: by what the best tenth of its products means to the shopper."""
    best = np.full(categories, -1.0)
    for category in range(categories):
        inside = np.sort(affinity[category_of == category])[::-1]
        if len(inside):
            best[category] = inside[: max(len(inside) // 10, 1)].mean()
    weights = np.exp(6.0 * (best - best.max()))
    shares: Floats = weights / weights.sum()
    return shares
