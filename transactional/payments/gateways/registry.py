"""The gateways of this process, one set for each database it works on."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from transactional.payments.gateways.protection import ProtectedGateway
from transactional.payments.gateways.sandbox.gateway import SandboxGateway
from transactional.platform.core import Core
from transactional.platform.database import Database

Gateways = Mapping[str, ProtectedGateway]
DEFAULT_GATEWAY = "sandbox"
_gateways: WeakKeyDictionary[Database, Gateways] = WeakKeyDictionary()


def gateways_of(core: Core) -> Gateways:
    """Gateways by name; breakers and bulkheads are the process's own."""
    found = _gateways.get(core.db)
    if found is None:
        sandbox = SandboxGateway(core.db)
        found = install(core, {sandbox.name: ProtectedGateway(sandbox)})
    return found


def install(core: Core, gateways: Gateways) -> Gateways:
    """Use these gateways from now on."""
    _gateways[core.db] = gateways
    return gateways
