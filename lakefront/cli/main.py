"""The table of subcommands and the group that loads them."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

ABOUT = """A marketplace whose storefront sits on its lakehouse.

Start with `lakefront demo`, which starts everything, fills it and shows the loop at work; or with
`lakefront up`, which starts everything and leaves it to you. All data stands in one folder, LAKEFRONT_HOME
(var/ in the checkout by default)."""

RUN, FILL, WORK = "Run it", "Fill it", "Work with it"


@dataclass(frozen=True)
class Entry:
    """A subcommand: where it is defined, and what the list of commands says of it without loading it."""

    target: str
    panel: str
    help: str


COMMANDS = {
    "demo": Entry("lakefront.demo.command:app", RUN, "Start everything, fill it, run the loop once and report."),
    "up": Entry("lakefront.cli.machine:up", RUN, "Start all processes under the supervisor."),
    "down": Entry("lakefront.cli.machine:down", RUN, "Stop everything cleanly."),
    "status": Entry("lakefront.cli.machine:status", RUN, "Show what runs, and where to find it."),
    "logs": Entry("lakefront.cli.machine:logs", RUN, "Show what processes say."),
    "restart": Entry("lakefront.cli.machine:restart", RUN, "Restart one process."),
    "doctor": Entry("lakefront.cli.doctor:doctor", RUN, "Say what this machine lacks and how to get it."),
    "import": Entry("transactional.importers.command:app", FILL, "Take over a catalogue file, or a real order log."),
    "tariffs": Entry(
        "transactional.tariffs.command:app", FILL, "Load exchange rates, taxes, duties and shipping costs."
    ),
    "simulate": Entry("simulator.command:app", FILL, "Send simulated shoppers through the public API."),
    "pipeline": Entry("pipelines.command:app", WORK, "Run the data pipeline from bronze to published models."),
    "orders": Entry(
        "transactional.orders.command:app", WORK, "Check orders against their histories, look at one as it was."
    ),
    "accounts": Entry("transactional.accounts.command:app", WORK, "Rotate the keys of accounts, wrap them by a KMS."),
    "letters": Entry(
        "transactional.accounts.letters_command:letters", WORK, "Show the letters that the sandbox took for sending."
    ),
    "models": Entry("models.command:app", WORK, "List, promote and roll back model versions."),
    "bus": Entry("lakefront.bus.command:app", WORK, "Look at the event bus and its dead letters."),
    "payments": Entry("transactional.payments.command:app", WORK, "Prove that the payment ledger balances."),
    "inventory": Entry("transactional.inventory.command:app", WORK, "Prove that the stock is the sum of its ledger."),
    "reviews": Entry("transactional.reviews.command:app", WORK, "Prove that ratings are what the reviews say."),
    "search": Entry("transactional.search.command:app", WORK, "Build the search index anew."),
    "evaluate": Entry(
        "transactional.search.evaluation.command:app", WORK, "Judge the ranking of search by a click log."
    ),
    "bench": Entry("bench.command:bench", WORK, "Measure, beside what the bare engines reach."),
}


class LazyGroup(TyperGroup):
    """Commands from the table above; a command's module is imported when the command is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if getattr(ctx, "resilient_parsing", False) or not _is_called(cmd_name):
            return TyperCommand(cmd_name, help=entry.help, rich_help_panel=entry.panel)
        return load(cmd_name, entry)


def load(name: str, entry: Entry) -> Any:
    """Import a subcommand: a Typer application, or a function that becomes one."""
    module, _, attribute = entry.target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        application = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        application.command(name)(found)
        found = application
    command = typer.main.get_command(found)
    command.name = name
    # Completion belongs to `lakefront` as a whole; Typer offers it once more in the help of each application.
    command.params = [each for each in command.params if each.name not in ("install_completion", "show_completion")]
    return command


def _is_called(name: str) -> bool:
    """Listing asks for every command; calling asks for the one that the command line names first."""
    return next((word for word in sys.argv[1:] if not word.startswith("-")), None) == name


app = typer.Typer(
    cls=LazyGroup, help=ABOUT, no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


@app.callback()
def _root() -> None:
    pass


def main() -> None:
    """Entry point of the ``lakefront`` script."""
    try:
        app(prog_name="lakefront")
    except Exception as error:
        from lakefront.cli import errors

        said = errors.in_words(error)
        if said is None:
            raise
        print(said, file=sys.stderr)
        raise SystemExit(2) from None
