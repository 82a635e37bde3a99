"""The commands over the prediction log: `tabproof monitor <command>`."""

from pathlib import Path
from typing import Any

import click

from tabproof.cli.options import (
    JSON,
    LOG,
    MODELS,
    NO_LABEL_ALARMS,
    OUTPUTS,
    PATH,
    Group,
    complete_run,
    option,
)
from tabproof.runtime import threads
from tabproof.text import LANGUAGES


@click.group(
    cls=Group,
    epilog="""\
The log is what the service writes with API_PREDICTION_LOG, or another directory: --log DIR.

examples:
  python -m src.monitor check                       all models of the log, the last 7 days
  python -m src.monitor check adult --since 30d     one of them; or a day: --since 2026-11-01
  python -m src.monitor check --json                all figures, for programs
  python -m src.monitor check --prometheus FILE     gauges, for node_exporter's textfile collector
  python -m src.monitor check --page monitor.html   a page for people
  python -m src.monitor labels truth.csv            true labels, by request_id and row
  python -m src.monitor labels truth.csv --key customer_id   or by logged columns
  python -m src.monitor compact                     one file of the many of each day

exit code of check: 0 fine, 1 an alarm, 2 cannot tell; of labels: 0, or 2 if none could be used""",
)
def monitor() -> None:
    """Watch served models by the log of what they predicted."""


@monitor.command(
    params=[
        click.Argument(["model"], required=False, shell_complete=complete_run),
        click.Option(
            ["--model", "named"],
            help="the same as MODEL",
            metavar="NAME",
            shell_complete=complete_run,
        ),
        LOG,
        MODELS,
        OUTPUTS,
        option("since", "7d: the last 7 days, or a day (7d)", "DAYS", default="7d"),
        option("false-alarms", "promised for a year and model (1)", "N", type=float, default=1.0),
        NO_LABEL_ALARMS,
        JSON,
        click.Option(
            ["--prometheus", "prometheus_file"],
            help="write gauges there too, all at once",
            metavar="FILE",
            type=PATH,
        ),
        option("page", "write a page for people there, all at once", "FILE", type=PATH),
        option("language", "of the page (en)", type=click.Choice(LANGUAGES), default="en"),
    ],
    epilog="""\
MODEL: a name in the log (all)

exit code: 0 fine, 1 an alarm, 2 cannot tell, and why""",
)
def check(model: str | None, named: str | None, **options: Any) -> tuple[str, int]:
    """Compare what was logged with the run that answered, and say what changed."""
    if model is not None and named not in (None, model):
        raise click.UsageError(f"it checks one model, or all: '{model}' or --model {named}")
    # DuckDB has threads of its own, and a small fit is slower with several.
    with threads.limited_threads(1):
        from tabproof.monitoring.check import check

        return check(model or named, **options)


@monitor.command(
    params=[
        click.Argument(["file"], type=PATH, metavar="FILE"),
        LOG,
        option(
            "key", "a logged column that names the row; may be repeated", "COLUMN", multiple=True
        ),
        option("model", "whose rows (all)", "NAME", shell_complete=complete_run),
    ],
    epilog="""\
FILE: CSV or Parquet with the columns request_id, row (0 without it), label, and at, if known

exit code: 0, or 2 if no label could be used""",
)
def labels(file: Path, **options: Any) -> tuple[str, int]:
    """Take true labels from a file into the log."""
    from tabproof.monitoring.labels import labels

    return labels(file, **options)


@monitor.command(
    params=[
        LOG,
        option("before", "days before this one (yesterday: days over for a day, UTC)", "DAY"),
    ],
    epilog="""\
The service and readers may be at work. A killed command is started again.

examples:
  python -m src.monitor compact --log log
  python -m src.monitor compact --log s3://bucket/log --before 2026-11-30

exit code: 0, also if there is nothing to do; 2 if it failed, and why""",
)
def compact(**options: Any) -> tuple[str, int]:
    """Merge the many small files of the log: few of them are read faster."""
    from tabproof.monitoring.compact import compact

    return compact(**options)
