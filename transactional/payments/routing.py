"""Which gateways to ask for a payment, in which order: a pure function of the payment, the rules and recent outcomes.

A gateway takes part when one of its rules fits the payment. Those that do are ordered by what a payment through them is
expected to cost: the fee, the sale at stake when an attempt fails, and the loss at stake when the payment is a fraud.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from transactional.payments.methods import Method

MOST_GATEWAYS = 3
COST_OF_FAILURE = 0.10
"""Share of the sale that a failed attempt costs: some customers do not wait for the backup."""
COST_OF_RISK = 0.05
"""Share of the sale that is at stake at a risk of 1 where the loss stays with us."""
USUAL_SUCCESS = 0.95
PRIOR_ATTEMPTS = 20.0
"""How many attempts the usual success counts as; a region with fewer of its own leans on the gateway's other regions."""
UNKNOWN_REGION = "unknown"


@dataclass(frozen=True, slots=True)
class Rule:
    """A gateway takes this method under these conditions at this price. Empty collections allow everything."""

    gateway: str
    method: Method
    currency: str | None = None
    """A rule of a currency goes before that of all currencies; only it may name amounts."""
    countries: frozenset[str] = frozenset()
    excluded_countries: frozenset[str] = frozenset()
    token_prefixes: tuple[str, ...] = ()
    least_amount: Decimal = Decimal(0)
    greatest_amount: Decimal | None = None
    greatest_risk: float = 1.0
    fee_share: float = 0.0
    fee_fixed: Decimal = Decimal(0)
    loss_share: float = 1.0
    """Share of a fraud's loss that stays with us; the rest is the gateway's."""


@dataclass(frozen=True, slots=True)
class Payment:
    """What is to be paid, as far as it matters which way it goes."""

    method: Method
    token: str
    amount: Decimal
    currency: str
    country: str | None
    risk: float


class Outcomes(NamedTuple):
    """Attempts of a while, and how many of them came to an authorization."""

    attempts: float = 0.0
    successes: float = 0.0


class History:
    """Recent outcomes by gateway, region and method; the sums over all regions are made once."""

    def __init__(self, outcomes: Mapping[tuple[str, str, str], Outcomes] | None = None) -> None:
        self.outcomes = dict(outcomes or {})
        self._everywhere: dict[tuple[str, str], Outcomes] = {}
        for (gateway, _, method), found in self.outcomes.items():
            attempts, successes = self._everywhere.get((gateway, method), Outcomes())
            self._everywhere[gateway, method] = Outcomes(attempts + found.attempts, successes + found.successes)

    def success_rate(self, gateway: str, region: str, method: str) -> float:
        """Share of successful attempts, drawn towards the gateway's rate in all regions, and that towards the usual."""
        overall = _drawn_to(USUAL_SUCCESS, self._everywhere.get((gateway, method), Outcomes()))
        return _drawn_to(overall, self.outcomes.get((gateway, region, method), Outcomes()))


def _drawn_to(prior: float, found: Outcomes) -> float:
    return (found.successes + PRIOR_ATTEMPTS * prior) / (found.attempts + PRIOR_ATTEMPTS)


def route(
    payment: Payment, rules: Sequence[Rule], history: History, gateways: Collection[str], away: Collection[str] = ()
) -> list[str]:
    """Names of the gateways to ask, best first, at most ``MOST_GATEWAYS``. Those that are ``away`` (open circuits) come
    last; none where no rule fits."""
    fitting = {
        name: rule for name in gateways if (rule := _rule(name, payment, rules)) is not None and _fits(rule, payment)
    }
    by_cost = sorted(fitting, key=lambda name: (name in away, expected_cost(fitting[name], payment, history), name))
    return by_cost[:MOST_GATEWAYS]


def _rule(gateway: str, payment: Payment, rules: Sequence[Rule]) -> Rule | None:
    general = None
    for rule in rules:
        if rule.gateway == gateway and rule.method == payment.method:
            if rule.currency == payment.currency:
                return rule
            if rule.currency is None and general is None:
                general = rule
    return general


def _fits(rule: Rule, payment: Payment) -> bool:
    return (
        (not rule.countries or payment.country in rule.countries)
        and payment.country not in rule.excluded_countries
        and (not rule.token_prefixes or payment.token.startswith(rule.token_prefixes))
        and payment.amount >= rule.least_amount
        and (rule.greatest_amount is None or payment.amount <= rule.greatest_amount)
        and payment.risk <= rule.greatest_risk
    )


def expected_cost(rule: Rule, payment: Payment, history: History) -> float:
    """Expected cost of a payment through a gateway, as a share of the payment."""
    fixed = float(rule.fee_fixed / payment.amount) if payment.amount else 0.0
    failing = 1.0 - history.success_rate(rule.gateway, region_of(payment), payment.method)
    return rule.fee_share + fixed + COST_OF_FAILURE * failing + COST_OF_RISK * payment.risk * rule.loss_share


def region_of(payment: Payment) -> str:
    return payment.country or UNKNOWN_REGION
