"""The configuration of sweeps: how the jobs of `-m` are run."""

from dataclasses import dataclass

from src.config.option import option


@dataclass
class SweepConfig:
    """How the jobs of `-m` are run: each is a process of its own."""

    fail_fast: bool = option("begin no further job once one has failed", False)
    time_limit: str | None = option(
        "how long a job may take: `90s`, `10m`, `12h`. Then it is told to end, so that the best so"
        " far is kept, and killed 30 s later; null: as long as it takes",
        None,
    )
    retries: int = option("how often a job that failed is begun again", 0)
    resume: str | None = option(
        "the directory of a sweep that was killed or has failed jobs: what is missing is done,"
        " and nothing else",
        None,
    )
    accept_changes: bool = option(
        "resume though configuration, data or code have changed: complete jobs stay as they are",
        False,
    )
