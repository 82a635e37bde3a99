"""Which unfinished run a command goes on with."""

from pathlib import Path

from src.config import Composed, RungSearchConfig, TrainConfig, identity_of
from src.errors import NothingToResumeError, ResumeDiffersError, SearchRunningError

RUN_DIRECTORY = "hydra.run.dir"


def overrides_to_resume(composed: Composed | None) -> list[str]:
    """Give what leads Hydra to the directory of the run that is to go on; nothing for a new one."""
    if composed is None or composed.sweep is not None:
        return []
    if not isinstance(composed.config.search, RungSearchConfig):
        return []
    wish = composed.config.search.resume
    if wish is False:
        return []
    # Loads numpy, which reads the limits of threads: they are not set yet where nobody resumes.
    from src import runs

    found: Path | None
    if isinstance(wish, str):
        found = Path(wish)
        if runs.read_plan(found) is None or runs.is_complete(found):
            raise NothingToResumeError(wish)
    elif runs.read_plan(composed.directory) is not None:
        found = composed.directory  # as hydra.run.dir says
    else:
        found = newest_of(composed.config, Path(runs.OUTPUTS))
    if found is None:
        return []
    # A run refuses this too, but Hydra would have written into its directory by then.
    if runs.is_searched(found):
        raise SearchRunningError(found)
    differing = _differing(found, composed.config)
    if differing:
        raise ResumeDiffersError(found, differing)
    # Quoted: a directory may hold whatever Hydra's grammar makes something of.
    quoted = str(found).replace("'", r"\'")
    return [f"{RUN_DIRECTORY}='{quoted}'"]


def newest_of(config: TrainConfig, outputs: Path) -> Path | None:
    """Find the newest unfinished run of a configuration.

    Raises ResumeDiffersError where there is none, but one of the same dataset and engine that
    nobody is running.
    """
    from src import runs

    now = runs.as_plain(identity_of(config))
    akin: list[Path] = []
    for run in runs.unfinished_runs(outputs):
        if not _differing(run, config):
            return run
        then = (runs.read_plan(run) or {}).get("config", {})
        is_akin = (then.get("dataset"), _engine(then)) == (now["dataset"], _engine(now))
        if is_akin and not runs.is_searched(run):
            akin.append(run)
    if akin:
        raise ResumeDiffersError(akin[0], _differing(akin[0], config))
    return None


def _differing(run: Path, config: TrainConfig) -> list[str]:
    """List what the configuration of an unfinished run has otherwise."""
    from src import runs

    then = (runs.read_plan(run) or {}).get("config", {})
    return runs.differences(then, runs.as_plain(identity_of(config)), "config")


def _engine(identity: dict[str, object]) -> object:
    search = identity.get("search")
    return search.get("engine") if isinstance(search, dict) else None
