"""Feast entities: who or what a feature tells of. All keys are strings: pseudonyms, keyed hashes, product ids."""

from __future__ import annotations

from feast import Entity, ValueType

from features.definitions import ACCOUNT, ADDRESS, CARD, DEVICE, PRODUCT, SESSION, USER

_DESCRIPTIONS = {
    USER: "A shopper, by pseudonym",
    SESSION: "A visit, by the client's own session key",
    ACCOUNT: "A shopper's account as a party of orders, by pseudonym",
    CARD: "A payment card, by the keyed hash of its token",
    DEVICE: "A device, by keyed hash",
    ADDRESS: "A network address, by keyed hash",
    PRODUCT: "A product of the catalogue, by its id",
}

ENTITIES: dict[str, Entity] = {
    name: Entity(name=name, join_keys=[name], value_type=ValueType.STRING, description=description)
    for name, description in _DESCRIPTIONS.items()
}
