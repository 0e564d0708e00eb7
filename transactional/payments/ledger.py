"""The double-entry payment ledger, and the check that it balances and says the same as the payments.

Postings are written by the statements that change a payment (``store``): a capture, a refund that is granted, paid out
or refused, a charge-back. A posting debits one account and credits another with one amount, so that none can be out of
balance, and the table takes no UPDATE and no DELETE.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from transactional.payments import store
from transactional.platform.core import Core
from transactional.platform.database import Database
from transactional.platform.query import Row, rows


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What a check of the ledger found."""

    balances: dict[tuple[str, str], Decimal]
    """Debits minus credits by (currency, account)."""
    differences: list[Row] = field(default_factory=list)
    """Payments whose captured, refunded or outstanding amounts the ledger does not confirm."""

    @property
    def sums(self) -> dict[str, Decimal]:
        """Sum over all accounts by currency; anything but zero is a defect."""
        found: dict[str, Decimal] = {}
        for (currency, _), balance in self.balances.items():
            found[currency] = found.get(currency, Decimal(0)) + balance
        return found

    @property
    def is_right(self) -> bool:
        return not self.differences and not any(self.sums.values())


async def check(core: Core) -> LedgerReport:
    """Compare the ledger with itself and with the payments, as of one moment."""
    return await check_database(core.db)


async def check_database(db: Database) -> LedgerReport:
    """The same for a database."""
    async with db.snapshot() as connection:
        balances = await rows(connection, store.TRIAL_BALANCE)
        differences = await rows(connection, store.LEDGER_DIFFERENCES)
    return LedgerReport({(row["currency"], row["account"]): row["balance"] for row in balances}, differences)
