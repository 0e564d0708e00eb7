"""The features by name, and the functions that compute them: batch, stream, training and serving call no others.

Pure Python without dependencies, since the storefront's workers import it. A stream feature is a list of recent raw
items; what a decision counts in a window is computed from them at the decision's own time, so that a count decays, a
replay cannot double it and a training set can be computed as of any moment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

RECENT_LIMIT = 50
"""Items kept per entity and kind, the latest ones."""

# Entities: the Feast name is also the name of the join key.
USER = "user"
SESSION = "session"
ACCOUNT = "account"
CARD = "card"
DEVICE = "device"
ADDRESS = "address"
PRODUCT = "product_id"

FRAUD_ENTITIES = (ACCOUNT, CARD, DEVICE, ADDRESS)
"""Parties of an order whose recent orders and failed payments are followed."""
RISK_ENTITIES = (ACCOUNT, CARD, DEVICE)
"""Parties that a published model scores."""

HOUR = 3600.0
DAY = 24 * HOUR
WINDOWS: dict[str, float] = {"1h": HOUR, "24h": DAY, "7d": 7 * DAY}
"""Windows of the fraud features, in seconds. A window at T holds what happened in (T - window, T]."""

INTEREST_HALF_LIFE = 2 * HOUR
"""After this a viewed product counts half in a session's interest."""
INTEREST_WEIGHTS: dict[str, float] = {"view": 1.0, "cart": 3.0, "order": 4.0}
"""What an interaction says of taste, by its kind; silver.interactions uses the same kinds."""

DISPOSABLE_MAIL = frozenset(
    {
        "10minutemail.com", "dispostable.com", "getnada.com", "guerrillamail.com", "mailinator.com", "sharklasers.com",
        "temp-mail.org", "tempmail.com", "throwawaymail.com", "trashmail.com", "yopmail.com",
    }
)  # fmt: skip
"""Mail domains that hand out throw-away addresses."""


class Item(NamedTuple):
    """One recent raw item of an entity."""

    item_id: str
    """Identity: an order's id, an event's id. The same item arriving twice is one item."""
    time: float
    """When it happened in business time, seconds since 1970 UTC."""
    value: float = 0.0
    """Amount of an order; weight of an interaction."""
    party: str = ""
    """The other side: product of a view, account of a card's order, card of an account's order; '' where unknown."""


class ItemColumns(NamedTuple):
    """Names of the list features that hold an entity's recent items, one list per field of ``Item``; '' where not
    kept."""

    item_ids: str
    times: str
    values: str = ""
    parties: str = ""


VIEWED = ItemColumns("viewed_ids", "viewed_times", "viewed_weights", "viewed_product_ids")
ORDERS = ItemColumns("order_ids", "order_times", "order_amounts", "order_parties")
FAILED = ItemColumns("failed_ids", "failed_times")


def items_of(features: Mapping[str, Any], columns: ItemColumns) -> list[Item]:
    """The items that stand in an entity's list features; none where there are no lists."""
    item_ids = features.get(columns.item_ids) or []
    times = features.get(columns.times) or []
    values = (features.get(columns.values) or []) if columns.values else [0.0] * len(item_ids)
    parties = (features.get(columns.parties) or []) if columns.parties else [""] * len(item_ids)
    return list(map(Item, item_ids, times, values, parties))


def columns_of(items: Sequence[Item], columns: ItemColumns) -> dict[str, list[Any]]:
    """The list features that hold these items; the reverse of ``items_of``."""
    fields = zip(columns, zip(*items, strict=True) if items else ((),) * 4, strict=True)
    return {name: list(values) for name, values in fields if name}


# Types of stored features.
STRING, DOUBLE, STRINGS, DOUBLES, FLOATS = "string", "double", "strings", "doubles", "floats"


class View(NamedTuple):
    """A set of features of one entity that are written together; Feast's views are made of these."""

    name: str
    entity: str
    features: dict[str, str]
    """Name to type."""
    ttl_days: int
    """Values older than this, in business time, are not used."""


_VIEWED_LISTS = dict(zip(VIEWED, (STRINGS, DOUBLES, DOUBLES, STRINGS), strict=True))
_ORDER_LISTS = dict(zip(ORDERS, (STRINGS, DOUBLES, DOUBLES, STRINGS), strict=True))
_RECENT_ORDERS = {**_ORDER_LISTS, FAILED.item_ids: STRINGS, FAILED.times: DOUBLES}
_RISK = {"score": DOUBLE, "model_version": STRING}

USER_RECENT = View("user_recent", USER, _VIEWED_LISTS, 30)
SESSION_RECENT = View("session_recent", SESSION, _VIEWED_LISTS, 2)
PARTY_RECENT = {entity: View(f"{entity}_recent", entity, _RECENT_ORDERS, 90) for entity in FRAUD_ENTITIES}
CUSTOMER_PROFILE = View(
    "customer_profile",
    USER,
    dict.fromkeys(("orders", "spend", "average_order_value", "orders_90d", "chargebacks"), DOUBLE),
    30,
)
USER_RECOMMENDATIONS = View(
    "user_recommendations", USER, {"vector": FLOATS, "product_ids": STRINGS, "model_version": STRING}, 30
)
PARTY_RISK = {entity: View(f"{entity}_risk", entity, _RISK, 30) for entity in RISK_ENTITIES}
PRODUCT_PRICE = View("product_price", PRODUCT, {"factor": DOUBLE, "proposal_id": STRING, "model_version": STRING}, 30)

STREAM_VIEWS: tuple[View, ...] = (USER_RECENT, SESSION_RECENT, *PARTY_RECENT.values())
"""Pushed by the feature writer within a second of the event."""
BATCH_VIEWS: tuple[View, ...] = (CUSTOMER_PROFILE, USER_RECOMMENDATIONS, *PARTY_RISK.values(), PRODUCT_PRICE)
"""Published by the pipelines: tables of gold, and the models' outputs with their version."""
VIEWS: dict[str, View] = {view.name: view for view in (*STREAM_VIEWS, *BATCH_VIEWS)}


def with_item(items: Sequence[Item], item: Item, limit: int = RECENT_LIMIT) -> list[Item]:
    """The recent items after one more, oldest first. Late items find their place; a replay changes nothing."""
    if any(known.item_id == item.item_id for known in items):
        return list(items)
    place = bisect_right(items, (item.time, item.item_id), key=lambda known: (known.time, known.item_id))
    return [*items[:place], item, *items[place:]][-limit:]


def interest(items: Iterable[Item], at: float) -> dict[str, float]:
    """What recent views and carts say of taste at a moment: product to weight, newest first, recent ones heavier."""
    weights: dict[str, float] = {}
    for item in sorted((item for item in items if item.time <= at), key=lambda item: -item.time):
        weight = item.value * 0.5 ** ((at - item.time) / INTEREST_HALF_LIFE)
        weights[item.party] = weights.get(item.party, 0.0) + weight
    return weights


@dataclass(frozen=True, slots=True)
class Recent:
    """Recent orders and failed payments of one party, oldest first."""

    orders: Sequence[Item] = ()
    failed: Sequence[Item] = ()


@dataclass(frozen=True, slots=True)
class RecentActivity:
    """What the online store knows of an order's parties. A party that the order lacks, or that the store could not be
    asked for, is missing from ``parties`` and its features are None; one that never did anything is there, empty."""

    parties: dict[str, Recent] = field(default_factory=dict)
    risks: dict[str, float] = field(default_factory=dict)
    """Published risk score per kind of party, 0 to 1."""


@dataclass(frozen=True, slots=True)
class FraudOrder:
    """An order as the fraud features see it. Parties are keyed hashes or pseudonyms."""

    order_id: str
    total: float
    units: int
    lines: int
    account: str | None = None
    card: str | None = None
    device: str | None = None
    address: str | None = None
    account_age_days: float | None = None
    email_domain: str | None = None
    shipping_country: str | None = None
    network_country: str | None = None
    payment_kind: str = "card"


_PARTY_FEATURES = (
    *(f"orders_{window}" for window in WINDOWS),
    "amount_24h",
    *(f"failed_{window}" for window in WINDOWS),
    "hours_since_order",
    "parties",
)
_NAMES_OF = {entity: tuple(f"{entity}_{name}" for name in _PARTY_FEATURES) for entity in FRAUD_ENTITIES}
_RISK_NAMES = {entity: f"{entity}_risk" for entity in RISK_ENTITIES}
_NOTHING_KNOWN: tuple[float | None, ...] = (None,) * len(_PARTY_FEATURES)
_NOTHING_HAPPENED = tuple(None if name == "hours_since_order" else 0.0 for name in _PARTY_FEATURES)

FRAUD_FEATURES: tuple[str, ...] = (
    "order_total",
    "order_units",
    "order_lines",
    "unit_price",
    "hour_of_day",
    "is_guest",
    "account_age_days",
    "mail_is_disposable",
    "country_differs",
    "pays_by_card",
    *(name for names in _NAMES_OF.values() for name in names),
    "amount_over_account_average",
    "card_is_new_to_account",
    *_RISK_NAMES.values(),
)
"""Names of the fraud features, in the order of the model's columns. ``{party}_parties`` counts distinct other sides in
7 days: accounts that used the card, device or address, cards that the account used."""


def fraud_features(order: FraudOrder, recent: RecentActivity, at: float) -> dict[str, float | None]:
    """All FRAUD_FEATURES of an order at a moment (seconds since 1970 UTC). The order itself never counts, though its
    own event may already have reached the store."""
    mail, ships_to, comes_from = order.email_domain, order.shipping_country, order.network_country
    features: dict[str, float | None] = {
        "order_total": order.total,
        "order_units": float(order.units),
        "order_lines": float(order.lines),
        "unit_price": order.total / order.units if order.units else None,
        "hour_of_day": at % DAY // HOUR,
        "is_guest": float(order.account is None),
        "account_age_days": order.account_age_days,
        "mail_is_disposable": None if mail is None else float(mail.lower() in DISPOSABLE_MAIL),
        "country_differs": None if not ships_to or not comes_from else float(ships_to != comes_from),
        "pays_by_card": float(order.payment_kind == "card"),
    }
    for entity, names in _NAMES_OF.items():
        party = recent.parties.get(entity)
        values = _NOTHING_KNOWN if party is None else _party_features(order.order_id, party, at)
        features.update(zip(names, values, strict=True))
    features |= _account_habits(order, recent.parties.get(ACCOUNT), at)
    for entity, name in _RISK_NAMES.items():
        features[name] = recent.risks.get(entity)
    return features


def _party_features(order_id: str, party: Recent, at: float) -> Sequence[float | None]:
    """Values of _PARTY_FEATURES for one party."""
    orders = [item for item in party.orders if item.time <= at and item.item_id != order_id]
    failed = [at - item.time for item in party.failed if item.time <= at]
    if not orders and not failed:  # most parties of most orders
        return _NOTHING_HAPPENED
    ages = [at - item.time for item in orders]
    week = WINDOWS["7d"]
    return [
        *(float(sum(age < window for age in ages)) for window in WINDOWS.values()),
        sum((item.value for item in orders if at - item.time < DAY), 0.0),
        *(float(sum(age < window for age in failed)) for window in WINDOWS.values()),
        min(ages) / HOUR if ages else None,
        float(len({item.party for item in orders if item.party and at - item.time < week})),
    ]


def _account_habits(order: FraudOrder, account: Recent | None, at: float) -> dict[str, float | None]:
    """How the order compares with what its account did before."""
    known = [] if account is None else [i for i in account.orders if i.time <= at and i.item_id != order.order_id]
    average = sum(item.value for item in known) / len(known) if known else 0.0
    cards = {item.party for item in known if item.party}
    return {
        "amount_over_account_average": order.total / average if average > 0 else None,
        "card_is_new_to_account": float(order.card not in cards) if order.card and cards else None,
    }
