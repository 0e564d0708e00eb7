"""The rules layer (0 to 1), the composite of all layers, and the action that follows. Pure Python, for the hot path.

Each rule that fires has a strength; strengths combine like independent doubts, 1 - (1-a)(1-b)…, so that one weak sign
stays weak and several add up. Rules of one family (the speed of one party's orders, say) count once, with the strongest.
A feature that is None cannot fire a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

RULES_WEIGHT, MODEL_WEIGHT, EXTERNAL_WEIGHT = 0.3, 0.5, 0.2
DECLINE_ABOVE, REVIEW_ABOVE = 0.8, 0.6

Features = Mapping[str, float | None]
Action = Literal["allow", "review", "decline"]


class Rule(NamedTuple):
    """Fires when the feature reaches ``at_least``."""

    family: str
    code: str
    feature: str
    at_least: float
    strength: float


RULES: tuple[Rule, ...] = (
    # velocity: a party orders faster than shoppers do
    Rule("card_velocity", "card_orders_1h", "card_orders_1h", 3, 0.5),
    Rule("card_velocity", "card_orders_24h", "card_orders_24h", 6, 0.5),
    Rule("device_velocity", "device_orders_1h", "device_orders_1h", 3, 0.5),
    Rule("device_velocity", "device_orders_24h", "device_orders_24h", 8, 0.5),
    Rule("address_velocity", "address_orders_1h", "address_orders_1h", 5, 0.4),
    Rule("address_velocity", "address_orders_24h", "address_orders_24h", 20, 0.4),
    Rule("account_velocity", "account_orders_1h", "account_orders_1h", 4, 0.4),
    Rule("account_velocity", "account_orders_24h", "account_orders_24h", 8, 0.4),
    # card testing: payments that failed shortly before
    Rule("failed_payments", "failed_payments_1h", "card_failed_1h", 2, 0.4),
    Rule("failed_payments", "failed_payments_1h", "account_failed_1h", 3, 0.5),
    Rule("failed_payments", "failed_payments_1h", "device_failed_1h", 3, 0.6),
    Rule("failed_payments", "failed_payments_1h", "address_failed_1h", 4, 0.5),
    Rule("failed_payments", "failed_payments_24h", "device_failed_24h", 6, 0.7),
    # identities that share what one person has alone
    Rule("shared_identity", "accounts_of_device", "device_parties", 3, 0.5),
    Rule("shared_identity", "accounts_of_device", "device_parties", 6, 0.7),
    Rule("shared_identity", "accounts_of_card", "card_parties", 2, 0.4),
    Rule("shared_identity", "accounts_of_card", "card_parties", 4, 0.7),
    Rule("shared_identity", "cards_of_account", "account_parties", 4, 0.5),
    # where it comes from
    Rule("geography", "country_differs", "country_differs", 1, 0.35),
    Rule("mail", "mail_is_disposable", "mail_is_disposable", 1, 0.35),
    # amounts
    Rule("amount", "amount_over_account_average", "amount_over_account_average", 5, 0.3),
    Rule("amount", "amount_over_account_average", "amount_over_account_average", 10, 0.45),
    Rule("amount", "card_amount_24h", "card_amount_24h", 2_000, 0.3),
    Rule("amount", "order_total", "order_total", 2_500, 0.2),
    Rule("amount", "order_total", "order_total", 10_000, 0.4),
    # what is known of the parties
    Rule("known_risk", "card_risk", "card_risk", 0.5, 0.6),
    Rule("known_risk", "device_risk", "device_risk", 0.5, 0.5),
    Rule("known_risk", "account_risk", "account_risk", 0.5, 0.5),
)

NEW_ACCOUNT_DAYS = 1.0
NEW_ACCOUNT_TOTAL = 300.0
NEW_ACCOUNT_STRENGTH = 0.3


def rules_score(features: Features) -> tuple[float, list[str]]:
    """Strength of all rules that fired, 0 to 1, and their codes, strongest first."""
    fired: dict[str, tuple[float, str]] = {}
    for rule in RULES:
        value = features.get(rule.feature)
        if value is not None and value >= rule.at_least and rule.strength > fired.get(rule.family, (0.0, ""))[0]:
            fired[rule.family] = (rule.strength, rule.code)
    age, total = features.get("account_age_days"), features.get("order_total")
    if age is not None and total is not None and age < NEW_ACCOUNT_DAYS and total >= NEW_ACCOUNT_TOTAL:
        fired["new_account"] = (NEW_ACCOUNT_STRENGTH, "large_order_of_new_account")
    honest = 1.0
    for strength, _ in fired.values():
        honest *= 1.0 - strength
    return 1.0 - honest, [code for _, code in sorted(fired.values(), key=lambda found: -found[0])]


def composite(rules: float | None, model: float | None, external: float | None) -> float:
    """The layers' weighted mean; a layer without an answer gives its weight to the others in proportion. 0 without any."""
    layers = ((rules, RULES_WEIGHT), (model, MODEL_WEIGHT), (external, EXTERNAL_WEIGHT))
    answered = [(score, weight) for score, weight in layers if score is not None]
    weights = sum(weight for _, weight in answered)
    return sum(score * weight for score, weight in answered) / weights if weights else 0.0


def action(score: float) -> Action:
    """allow, review (a person decides before capture) or decline."""
    if score > DECLINE_ABOVE:
        return "decline"
    return "review" if score > REVIEW_ABOVE else "allow"
