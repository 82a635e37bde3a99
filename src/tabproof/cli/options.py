"""Classes, options and arguments that several commands share."""

from functools import partial
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from tabproof.text import as_typed


class WithExamples(click.Command):
    """A command whose epilog keeps its lines."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the epilog as it is, with commands spelled as the program was started."""
        del ctx
        if self.epilog:
            formatter.write(f"\n{as_typed(self.epilog)}\n")


class Group(WithExamples, click.Group):
    """A group whose commands and epilog keep their lines."""

    command_class = WithExamples
    group_class = type


def complete_run(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what the Tab key offers where any text may name a run."""
    models = Path(ctx.params.get("models") or "models")
    names = ["latest", *sorted(path.name for path in models.glob("*/") if path.is_dir())]
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="dir")]


PATH = click.Path(path_type=Path)


def option(name: str, words: str, metavar: str | None = None, **settings: Any) -> click.Option:
    """Return the option --<name>; words: its help."""
    return click.Option([f"--{name}"], help=words, metavar=metavar, **settings)


flag = partial(option, is_flag=True)
OUTPUTS = option("outputs", "where runs lie (outputs)", "DIR", type=PATH, default="outputs")
MODELS = option("models", "promoted models (models)", "DIR", type=PATH, default="models")
LOG = option("log", "the prediction log (API_PREDICTION_LOG)", "DIR")
JSON = click.Option(["--json", "as_json"], is_flag=True, help="for programs")
NO_LABEL_ALARMS = flag(
    "no-label-alarms", "no alarms from labels: for labels of which one kind comes first"
)
RUN, NAME = (click.Argument([name], shell_complete=complete_run) for name in ("run", "name"))
