"""Feast services: the features that one kind of decision reads. None is precomputed online: a push would rebuild it
all."""

from __future__ import annotations

from feast import FeatureService, FeatureView

from features.definitions import (
    CUSTOMER_PROFILE,
    PARTY_RECENT,
    PARTY_RISK,
    PRODUCT_PRICE,
    SESSION_RECENT,
    USER_RECENT,
    USER_RECOMMENDATIONS,
    View,
)

SERVICES: dict[str, tuple[View, ...]] = {
    "recommendation": (USER_RECENT, SESSION_RECENT, USER_RECOMMENDATIONS, CUSTOMER_PROFILE),
    "fraud": (*PARTY_RECENT.values(), *PARTY_RISK.values()),
    "pricing": (PRODUCT_PRICE,),
}


def feature_services(views: dict[str, FeatureView]) -> list[FeatureService]:
    """The services of the decisions."""
    return [
        FeatureService(name=name, features=[views[view.name] for view in read], description=f"Features of {name}")
        for name, read in SERVICES.items()
    ]
