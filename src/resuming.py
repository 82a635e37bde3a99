"""Which unfinished run a command goes on with."""

from pathlib import Path

from src.config import Composed, RungSearchConfig, TrainConfig, identity_of
from src.errors import NothingToResumeError, ResumeDiffersError

RUN_DIRECTORY = "hydra.run.dir"


def overrides_to_resume(composed: Composed | None) -> list[str]:
    """Give what leads Hydra to the directory of the run that is to go on; nothing for a new one."""
    if composed is None or not isinstance(composed.config.search, RungSearchConfig):
        return []
    wish = composed.config.search.resume
    if wish is False:
        return []
    # Loads numpy, which reads the limits of threads: they are not set yet where nobody resumes.
    from src import runs

    if isinstance(wish, str):
        found: Path | None = Path(wish)
        if runs.read_plan(Path(wish)) is None or runs.is_complete(Path(wish)):
            raise NothingToResumeError(wish)
    elif runs.read_plan(composed.directory) is not None:
        found = composed.directory  # as hydra.run.dir says
    else:
        found = newest_of(composed.config, Path(runs.OUTPUTS))
    # Quoted: a directory may hold whatever Hydra's grammar makes something of.
    return [] if found is None else [f"{RUN_DIRECTORY}='{found}'"]


def newest_of(config: TrainConfig, outputs: Path) -> Path | None:
    """Find the newest unfinished run of a configuration.

    Raises ResumeDiffersError where the newest of the same dataset and search has another.
    """
    from src import runs

    now = runs.as_plain(identity_of(config))
    for run in runs.unfinished_runs(outputs):
        then = (runs.read_plan(run) or {}).get("config", {})
        differing = runs.differences(then, now, "config")
        if not differing:
            return run
        if (then.get("dataset"), _engine(then)) == (now["dataset"], _engine(now)):
            raise ResumeDiffersError(run, differing)
    return None


def _engine(identity: dict[str, object]) -> object:
    search = identity.get("search")
    return search.get("engine") if isinstance(search, dict) else None
