"""Whom to trust: rules, model and an external party each score an order; together they allow, review or decline it."""

from __future__ import annotations

import asyncio
import time

from features.definitions import (
    ACCOUNT,
    ADDRESS,
    CARD,
    DEVICE,
    FAILED,
    ORDERS,
    PARTY_RECENT,
    PARTY_RISK,
    FraudOrder,
    Recent,
    RecentActivity,
    View,
    fraud_features,
    items_of,
)
from lakefront.contracts.decisions import Fallback
from lakefront.ids import new_id
from models.fraud.score import action, composite, rules_score
from serving.inputs import FraudInput, FraudVerdict
from serving.metrics import count
from serving.models import Models
from serving.online_store import Lookup, OnlineStore, StoreUnavailable
from serving.reputation import Origin, Reputation

REASONS = 3
"""Most reasons that the model adds to those of the rules."""


class FraudAssessor:
    """Judges orders. Never raises because the store, the model or the external party is missing."""

    def __init__(self, store: OnlineStore, models: Models, reputation: Reputation) -> None:
        self._store = store
        self._models = models
        self._reputation = reputation

    async def assess(self, order: FraudInput) -> FraudVerdict:
        """The verdict on an order."""
        begun = time.perf_counter()
        origin = Origin(order.email_domain, order.address, order.device, order.network_country)
        reputation = asyncio.create_task(self._reputation.score(origin))
        activity, fallback = await self._activity(order)
        external = await reputation
        features = fraud_features(fraud_order(order), activity, order.now.timestamp())
        rules, reasons = rules_score(features)
        loaded = self._models.fraud.current
        model = loaded.model.score(features) if loaded else None
        total = composite(rules, model, external)
        verdict = action(total)
        if verdict == "allow":
            reasons = []
        elif loaded:
            reasons = [*reasons, *loaded.model.reasons(features, REASONS)]
        latency = (time.perf_counter() - begun) * 1000
        fallback = fallback or (None if loaded else "no_model")
        count("fraud", verdict, fallback, latency)
        return FraudVerdict(
            decision_id=new_id(),
            action=verdict,
            composite=total,
            rules=rules,
            model=model,
            external=external,
            reasons=list(dict.fromkeys(reasons)),
            features=features,
            model_version=loaded.version if loaded else None,
            fallback=fallback,
            latency_ms=round(latency, 3),
        )

    async def _activity(self, order: FraudInput) -> tuple[RecentActivity, Fallback | None]:
        """What the store knows of the order's parties, in one round trip."""
        parties = {ACCOUNT: order.user, CARD: order.card, DEVICE: order.device, ADDRESS: order.address}
        known = {entity: value for entity, value in parties.items() if value}
        lookups = [Lookup(value, _views(entity)) for entity, value in known.items()]
        try:
            answers = await self._store.read(lookups)
        except StoreUnavailable as error:
            return RecentActivity(), error.fallback
        recent: dict[str, Recent] = {}
        risks: dict[str, float] = {}
        for entity, views in zip(known, answers, strict=True):
            view = PARTY_RECENT[entity]
            lists = {} if views[view.name].is_stale(view, order.now) else views[view.name].features
            recent[entity] = Recent(items_of(lists, ORDERS), items_of(lists, FAILED))
            risk = PARTY_RISK.get(entity)
            if risk is not None:
                stored = views[risk.name]
                score = stored.features.get("score")
                if score is not None and not stored.is_stale(risk, order.now):
                    risks[entity] = score
        return RecentActivity(recent, risks), None


def _views(entity: str) -> tuple[View, ...]:
    recent, risk = PARTY_RECENT[entity], PARTY_RISK.get(entity)
    return (recent, risk) if risk else (recent,)


def fraud_order(order: FraudInput) -> FraudOrder:
    """The order as the shared feature functions see it."""
    return FraudOrder(
        order_id=order.order_id,
        total=order.total,
        units=order.units,
        lines=order.lines,
        account=order.user,
        card=order.card,
        device=order.device,
        address=order.address,
        account_age_days=order.account_age_days,
        email_domain=order.email_domain,
        shipping_country=order.shipping_country,
        network_country=order.network_country,
        payment_kind=order.payment_kind,
    )
