"""``lakefront doctor``."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from lakefront.runtime import checks

_SIGNS = {"good": "[green]✓[/green]", "note": "[yellow]![/yellow]", "missing": "[red]✗[/red]"}


def doctor() -> None:
    """Say what this machine has, what it lacks, and how to get it. Leaves with 1 when something needed is missing."""
    found = checks.findings()
    table = Table("", "what", box=None)
    for title in ("found", "what to do"):
        table.add_column(title, overflow="fold")
    for finding in found:
        table.add_row(_SIGNS[finding.level], finding.name, finding.found, finding.remedy)
    Console().print(table)
    if any(finding.level == "missing" for finding in found):
        raise typer.Exit(1)
