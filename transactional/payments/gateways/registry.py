"""The gateways of this process, one set for each database it works on."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from transactional.payments.gateways.interface import Gateway, GatewayUnavailable
from transactional.payments.gateways.protection import ProtectedGateway
from transactional.payments.gateways.sandbox.gateway import SandboxGateway
from transactional.platform.core import Core
from transactional.platform.database import Database

Gateways = Mapping[str, ProtectedGateway]
SANDBOXES = ("sandbox", "sandbox-backup")
STRIPE_CALL_SECONDS = 8.0
"""A card's issuer may take seconds; shorter than a checkout's lease, with the tries before it."""
_gateways: WeakKeyDictionary[Database, Gateways] = WeakKeyDictionary()


def gateways_of(core: Core) -> Gateways:
    """Gateways by name; breakers and bulkheads are the process's own."""
    found = _gateways.get(core.db)
    if found is None:
        found = install(core, {name: _open(core, name) for name in _names(core)})
    return found


def gateway_of(core: Core, name: str) -> ProtectedGateway:
    """One gateway. Raises GatewayUnavailable where it is not in use (any more): nothing can have been sent."""
    found = gateways_of(core).get(name)
    if found is None:
        raise GatewayUnavailable(f"the gateway {name} is not in use here")
    return found


def install(core: Core, gateways: Gateways) -> Gateways:
    """Use these gateways from now on."""
    _gateways[core.db] = gateways
    return gateways


async def open_gateways(core: Core) -> None:
    """Open what is configured as the process starts: a mistake shows at once, and no order waits for it."""
    gateways_of(core)


async def close_gateways(core: Core) -> None:
    """Close the connections of this process to its gateways."""
    for gateway in _gateways.pop(core.db, {}).values():
        await gateway.close()


def _names(core: Core) -> tuple[str, ...]:
    """The sandboxes take every payment for paid, so they are out once there is a real gateway, unless named."""
    chosen = core.settings.payment_gateways
    if chosen:
        return tuple(name.strip() for name in chosen.split(","))
    return ("stripe",) if core.settings.stripe_secret_key.get_secret_value() else SANDBOXES


def _open(core: Core, name: str) -> ProtectedGateway:
    gateway: Gateway
    if name == "stripe":
        from transactional.payments.gateways.stripe.gateway import StripeGateway

        key = core.settings.stripe_secret_key.get_secret_value()
        if not key:
            raise ValueError("the gateway stripe needs LAKEFRONT_STRIPE_SECRET_KEY")
        gateway = StripeGateway(key, core.settings.stripe_api_url)
        return ProtectedGateway(gateway, call_seconds=STRIPE_CALL_SECONDS)
    if name in SANDBOXES:
        gateway = SandboxGateway(core.db, name=name)
        return ProtectedGateway(gateway)
    raise ValueError(f"there is no payment gateway {name}")
