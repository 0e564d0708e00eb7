"""Runs the demo's steps one after another: shows each while it runs, catches what fails, and says what to do about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from lakefront.demo.report import Report, Step

WIDEST_NAME = 26
"""Of a step, so that what each took stands in one column."""


class StepFailed(RuntimeError):
    """A step did not hold. ``remedy`` says what a person can do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class Live:
    """What a running step shows of itself."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def say(self, text: str) -> None:
        """What it does now."""
        self._progress.update(self._task, detail=text)

    def share(self, done: float, text: str) -> None:
        """How much of it is done, from 0 to 1."""
        self._progress.update(self._task, total=1.0, completed=done, detail=text)


def progress_on(console: Console) -> Progress:
    """A line for a running step. Its name, bar and clock keep their places; what it does now has the rest of the line."""
    return Progress(
        SpinnerColumn(),
        TextColumn("[bold]{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=16),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[detail]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        console=console,
        transient=True,
        expand=True,
        disable=not console.is_terminal,
    )


Work = Callable[[Live], Awaitable[str]]


class Stage:
    """Steps by name; a step runs when those that it needs have held."""

    def __init__(self, console: Console, report: Report) -> None:
        self.console = console
        self._report = report
        self._held: set[str] = set()

    def has_run(self, name: str) -> bool:
        """Whether a step stands in the report, held or not."""
        return any(step.name == name for step in self._report.steps)

    async def step(self, name: str, work: Work, *, needs: Sequence[str] = (), remedy: str = "") -> None:
        """Run a step. Whatever it raises becomes a line of the report; the demo goes on with what does not need it."""
        began = time.monotonic()
        missing = [other for other in needs if other not in self._held]
        if missing:
            self._end(Step(name, False, 0.0, f"left out, since '{missing[0]}' did not hold"), "")
            return
        if not self.console.is_terminal:
            self.console.print(f"… {name}", highlight=False)
        with progress_on(self.console) as progress:
            live = Live(progress, progress.add_task(name, total=None, detail=""))
            try:
                detail, ok = await work(live), True
            except asyncio.CancelledError:
                raise
            except Exception as error:  # every failure is the report's to name
                ok, detail = (
                    False,
                    f"{type(error).__name__}: {error}" if not isinstance(error, StepFailed) else str(error),
                )
                remedy = getattr(error, "remedy", "") or remedy
        self._end(Step(name, ok, round(time.monotonic() - began, 1), detail), remedy)

    def _end(self, step: Step, remedy: str) -> None:
        if not step.ok and remedy:
            step.detail = f"{step.detail} — {remedy}"
        self._report.steps.append(step)
        if step.ok:
            self._held.add(step.name)
        mark = "[green]✓[/]" if step.ok else "[red]✗[/]"
        head = f"{mark} [bold]{step.name:<{WIDEST_NAME}}[/] [dim]{step.seconds:7.1f} s[/]"
        if not self.console.is_terminal:
            # one line for each step, however long: a log is searched, not looked at
            self.console.print(f"{head}  {escape(step.detail)}", highlight=False, soft_wrap=True)
            return
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_column(no_wrap=True)
        line.add_row(head, escape(step.detail))
        self.console.print(line)
