"""Asset checks: what must hold of bronze, silver and gold."""

from datetime import timedelta

import dagster as dg

from pipelines.assets.silver import BRONZE
from pipelines.checks.lake import Finding

ORDERS_IN_GOLD = dg.AssetKey(["gold", "orders"])
STALE_AFTER = timedelta(hours=24)


def _result(finding: Finding, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=finding.holds, severity=severity, metadata=finding.figures)


@dg.asset_check(asset=BRONZE, description="No outbox event and no place of the bus is in bronze twice.")
def uniqueness() -> dg.AssetCheckResult:
    from pipelines.checks.lake import bronze_uniqueness

    return _result(bronze_uniqueness())


@dg.asset_check(asset=BRONZE, description="Something arrived within a day (a quiet shop only warns).")
def freshness() -> dg.AssetCheckResult:
    from pipelines.checks.lake import bronze_freshness

    return _result(bronze_freshness(STALE_AFTER), dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset=BRONZE, description="Every order of the core that does not wait in the outbox is in bronze.")
def bronze_reconciliation() -> dg.AssetCheckResult:
    return _reconciled(of_gold=False)


@dg.asset_check(asset=["silver", "interactions"], description="Each row of silver is there once.")
def silver_uniqueness() -> dg.AssetCheckResult:
    from pipelines.checks.lake import silver_uniqueness as check

    return _result(check())


@dg.asset_check(asset=["silver", "orders"], description="Statuses are the contract's; amounts are amounts.")
def accepted_values() -> dg.AssetCheckResult:
    from pipelines.checks.lake import silver_values

    return _result(silver_values())


@dg.asset_check(asset=["gold", "days"], description="Gold's revenue is silver's, to the cent.")
def gold_equals_silver() -> dg.AssetCheckResult:
    from pipelines.checks.lake import gold_equals_silver as check
    from pipelines.checks.lake import marts_taken_at

    return _result(check(marts_taken_at()))


@dg.asset_check(asset=ORDERS_IN_GOLD, description="Gold's orders and revenue are the core's, to the cent.")
def gold_reconciliation() -> dg.AssetCheckResult:
    return _reconciled(of_gold=True)


def _reconciled(*, of_gold: bool) -> dg.AssetCheckResult:
    """Compare with the core. What gold lacks while the shop trades only warns; an order that differs is an error."""
    from pipelines.checks.reconciliation import CoreDatabaseUnreachable, reconcile

    try:
        found = reconcile()
    except CoreDatabaseUnreachable as error:
        return dg.AssetCheckResult(
            passed=False, severity=dg.AssetCheckSeverity.WARN, description=f"could not be checked: {error}"
        )
    holds = found.gold_holds if of_gold else found.bronze_holds
    behind = of_gold and not found.different_in_gold
    return dg.AssetCheckResult(
        passed=holds,
        severity=dg.AssetCheckSeverity.WARN if behind else dg.AssetCheckSeverity.ERROR,
        metadata=found.as_dict(),
    )


CHECKS = [
    uniqueness, freshness, bronze_reconciliation, silver_uniqueness, accepted_values, gold_equals_silver,
    gold_reconciliation,
]  # fmt: skip
