"""Every error that a user may meet, each wording itself in one line.

A message says what was asked, what was found, and what would work.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def listed(values: Sequence[Any], limit: int = 8) -> str:
    """Return the values in quotes, shortened to the first few."""
    shown = ", ".join(f"'{value}'" for value in values[:limit])
    return f"{shown}, … ({len(values)} in all)" if len(values) > limit else shown


def suggested(values: Sequence[str]) -> str:
    """Return the end of a message that names what may have been meant."""
    return f"; did you mean {' or '.join(values)}?" if values else ""


class UserError(Exception):
    """Something that the user can put right; a program ends with exit_code."""

    exit_code = 2

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes by the message: it is worded once."""
        return _restored, (type(self), str(self))


def _restored(kind: type[UserError], message: str) -> UserError:
    error = kind.__new__(kind)
    error.args = (message,)
    return error


class UnknownKeyError(UserError):
    """A key that no part of the schema has."""

    def __init__(self, key: str, nearest: Sequence[str]) -> None:
        super().__init__(f"there is no key '{key}'{suggested(nearest)}")


class KeyOfOtherChoiceError(UnknownKeyError):
    """A key that another choice of the same group has."""

    def __init__(self, key: str, choices: Sequence[str]) -> None:
        UserError.__init__(self, f"only {' or '.join(choices)} has the key '{key}'")


class OverrideSyntaxError(UserError):
    """A word of the command line that is no override."""

    def __init__(self, override: str) -> None:
        super().__init__(
            f"'{override}' is not of the form key=value;"
            " put quotes around values with spaces, commas, brackets or '=': \"key='a=b'\""
        )


class MissingValueError(UserError):
    """A key without a default that was not given."""

    def __init__(self, key: str, example: str = "…") -> None:
        super().__init__(f"{key} must be given, as in {key}={example}")


class InvalidValueError(UserError):
    """A value of the right type that cannot work."""

    def __init__(self, key: str, value: Any, valid: str) -> None:
        # A line break as it would be typed: the message is one line.
        shown = repr(value) if isinstance(value, str) and not value.isprintable() else value
        super().__init__(f"{key}={shown} cannot work; it takes {valid}")


class ScheduleError(UserError):
    """A schedule of rungs that cannot find a best candidate."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"search.schedule: {reason}")


class SpaceError(UserError):
    """A space that no setting can be drawn from."""

    def __init__(self, parameter: str, node: Any, reason: str) -> None:
        super().__init__(f"model.param_space.{parameter}={node} cannot be drawn from: {reason}")


class PackageMissingError(UserError):
    """A choice that needs a package which not everybody has."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {package}, which is not installed; make init EXTRAS=[{extra}] does it"
        )


class UnknownParameterError(UserError):
    """A grid over a parameter that the pipeline has not."""

    def __init__(self, parameter: str, nearest: Sequence[str], valid: Sequence[str]) -> None:
        super().__init__(
            f"the grid's '{parameter}' is not a parameter of the pipeline"
            f"{suggested(nearest)} It has {listed(valid, 40)}"
        )


class FileMissingError(UserError):
    """A path where no file is."""

    def __init__(self, path: Path) -> None:
        found = "a directory" if path.is_dir() else "nothing"
        super().__init__(f"dataset.path={path}: there is {found} (from {Path.cwd()})")


class DuplicateColumnsError(UserError):
    """Columns of the same name."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(f"columns stand there twice: {listed(columns)}; names must be unique")


class ColumnMissingError(UserError):
    """A column that was named and is not in the table."""

    def __init__(self, key: str, column: str, columns: Sequence[str]) -> None:
        super().__init__(f"{key}: there is no column '{column}'; there are {listed(columns, 20)}")


class FewGroupsError(UserError):
    """Fewer groups than folds."""

    def __init__(self, n_groups: int, n_splits: int, key: str = "search.n_splits") -> None:
        super().__init__(
            f"{key}={n_splits}: the training rows hold {n_groups} group(s) of"
            " cv.group_column, and every fold needs one; take fewer folds"
        )


class RareClassError(UserError):
    """A class with too few rows to stand in every part."""

    def __init__(
        self, label: str, n_rows: int, needed: int, why: str, folds: str = "search.n_splits"
    ) -> None:
        super().__init__(
            f"class '{label}' has {n_rows} row(s), but {why} needs {needed};"
            f" leave the class out, join it with another, or take fewer folds ({folds})"
        )


class TooManyCategoriesError(UserError):
    """A column with more categories than the estimator takes."""

    def __init__(self, column: str, found: int, limit: int) -> None:
        super().__init__(
            f"column '{column}' has {found} categories, and the estimator takes {limit};"
            " choose preprocess=target, hashing, ordinal or onehot, or leave the column out"
        )


class NewerFormatError(UserError):
    """A file that a newer version of this project has written."""

    def __init__(self, name: str, found: object, known: int) -> None:
        super().__init__(
            f"{name} has format {found}, and this version reads {known}; update the project"
        )


class SettingError(UserError):
    """An environment variable of the service with a value that cannot work."""

    def __init__(self, variable: str, found: str, valid: str) -> None:
        super().__init__(f"{variable}={found} cannot work; it takes {valid} (docs/service.md)")


class ModelUnusableError(UserError):
    """A run that is intact and cannot be served."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source} cannot be served: {reason}")


class ReloadError(UserError):
    """Models that could not be loaded; what served before goes on."""

    def __init__(self, causes: dict[str, str]) -> None:
        super().__init__("; ".join(f"'{name}': {why}" for name, why in causes.items()))


class SchemaDamagedError(UserError):
    """A schema.json that is not of its form."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"schema.json cannot be read: {reason}")


class RungNotScoredError(UserError, ValueError):
    """A rung in which no candidate could be scored: whatever it picks would be chance.

    sufficient: the fewest rows that hold every class, None where rows are not what lacks.
    """

    exit_code = 1

    def __init__(self, rung: int, n_rows: int, reason: str, *, sufficient: int | None) -> None:
        hint = (
            "search.scoring, search.n_splits or cv do not fit these rows"
            if sufficient is None
            else f"search.min_resources={sufficient} is the smallest that suffices (auto finds it)"
        )
        super().__init__(
            f"rung {rung} on {n_rows} rows could not be scored for any candidate: {reason}; {hint}"
        )


class ResumeDiffersError(UserError):
    """A search that cannot go on, since what determines its fits has changed."""

    def __init__(self, run: Path, differing: Sequence[str]) -> None:
        shown = ", ".join(differing[:6]) + (", …" if len(differing) > 6 else "")
        super().__init__(
            f"{run} cannot be resumed, its fits are of something else: {shown};"
            " undo the change, or begin anew with search.resume=false"
        )


class NothingToResumeError(UserError):
    """A directory that holds no search that could go on."""

    def __init__(self, asked: str) -> None:
        super().__init__(
            f"search.resume={asked}: there is no unfinished search; it takes the directory of a"
            " run that was killed or interrupted, or true for the newest of this configuration"
        )


class ResumedSweepFixedError(UserError):
    """Something else asked of a sweep that is resumed."""

    def __init__(self, asked: Sequence[str]) -> None:
        super().__init__(
            f"{', '.join(asked)}: a resumed sweep is what it was; beside sweep.resume only"
            " sweep.… and runtime.… may be given"
        )


class NotASweepError(UserError):
    """sweep.resume without -m."""

    def __init__(self, asked: str) -> None:
        super().__init__(f"sweep.resume={asked} needs -m: python -m src.train -m sweep.resume=…")


class SearchRunningError(UserError):
    """A search that another process is running."""

    def __init__(self, run: Path) -> None:
        super().__init__(f"another process is searching in {run}; wait for it, or stop it")


class RunExistsError(UserError):
    """A run directory that another run has written."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} holds a complete run already; choose another hydra.run.dir")


class SweepFailedError(UserError):
    """Some jobs of a sweep failed; each was told when it did."""

    exit_code = 1

    def __init__(self, failed: Sequence[str]) -> None:
        super().__init__(
            f"{len(failed)} job(s) of the sweep failed: {', '.join(failed)};"
            " each one's train.log holds the cause"
        )


class DirectoryTakenError(UserError):
    """A run directory that holds something else, or that another run is writing."""

    def __init__(self, path: Path, found: Sequence[str]) -> None:
        super().__init__(
            f"{path} is not empty (it holds {listed(found, 4)}); a run needs a directory of its"
            " own: choose another hydra.run.dir, or remove it"
        )


SAME_CODE = (
    "start it anew in the root of a checkout of the same commit, installed from the same locks"
    " (docs/cluster.md)"
)


class WorkerKilledError(UserError):
    """A call on a cluster whose workers died, one after the other; call is what was called."""

    exit_code = 1

    def __init__(self, call: tuple[Any, ...], worker: str) -> None:
        self.call = call
        super().__init__(
            f"every worker that was given one piece of work died of it, the last being {worker};"
            " its log says why, and most likely memory was short: fewer threads per worker or"
            " more memory help"
        )


def printable(text: str, limit: int = 80) -> str:
    """Return a text that fits into one line of a log."""
    # Names and texts come from anywhere: a line break or half a letter must not reach a log.
    shown = text if len(text) <= limit else f"{text[:limit]}…"
    return shown if shown.isprintable() else repr(shown)[1:-1]


class CommandLineError(UserError):
    """A command line that argparse refuses."""

    def __init__(self, program: str, reason: str) -> None:
        super().__init__(f"{reason}; {program} --help shows examples")


class UnverifiedRunError(UserError):
    """A run directory that is not what its manifest says, or holds what no run holds."""

    exit_code = 1

    def __init__(self, path: Path, name: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be trusted: {printable(name)} {printable(reason, 200)};"
            " take another run, or train it again"
        )


class OutsideRootsError(UserError):
    """A path that a client asked for and may not have."""

    def __init__(self, asked: str, roots: Sequence[Path], reason: str) -> None:
        # The client need not learn where on this machine the roots lie.
        names = [str(root) if not root.is_absolute() else root.name for root in roots]
        super().__init__(
            f"'{printable(asked)}' {reason}; it takes a run's directory under"
            f" {' or '.join(names)}, as in {names[-1]}/<date>/<run>"
        )


class NotPromotedError(UserError):
    """A name under which nothing was promoted."""

    def __init__(self, name: str, root: Path, names: Sequence[str]) -> None:
        remedy = (
            f"there are {listed(names, 20)}"
            if names
            else "python -m src.runs promote latest promotes the newest run"
        )
        super().__init__(f"nothing was promoted as '{name}' in {root}; {remedy}")


class NotServableError(UserError):
    """A run without the form of its model that the service reads."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} has no scorer/: it was trained with export=false, or by an earlier version;"
            " train it again"
        )


class NotComparableError(UserError):
    """Two runs whose hold-outs are not the same rows."""

    def __init__(self, what: str, found: str, current: str) -> None:
        super().__init__(
            f"--if-better compares on the same rows, and {what} differ: the run has"
            f" {printable(found, 200)}, the current version {printable(current, 200)};"
            " train on the same data and seed, or promote without --if-better"
        )


class NotBetterError(UserError):
    """A run that is not shown to be better than the current version."""

    exit_code = 1

    def __init__(self, figures: str, level: float) -> None:
        super().__init__(
            f"not promoted: {figures}; --if-better takes a difference above 0 with p below {level}"
        )


class RegistryWriteError(UserError):
    """A registry that cannot be read or written: no space, no right, a file in the way."""

    exit_code = 1

    def __init__(self, error: OSError) -> None:
        place = f" {error.filename}" if error.filename else ""
        reason = error.strerror or os.strerror(error.errno or 0)
        super().__init__(
            f"the registry cannot use{place}: {reason}; what was promoted before still is;"
            " make room or give the right, or choose another place with --models"
        )


class NotARunError(UserError):
    """A directory that holds no complete run."""

    def __init__(self, path: Path, state: str, cause: str | None) -> None:
        reason = "" if cause is None else f" ({printable(cause, 300)})"
        super().__init__(
            f"{printable(str(path), 200)} holds no complete run: {state}{reason};"
            " python -m src.runs list shows what there is"
        )


class UnknownMetricError(UserError):
    """A metric or a key to sort by that no run has."""

    def __init__(self, key: str, asked: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{key} '{printable(asked)}': no run has that; there are {listed(known, 20)}"
        )


class NotASetOfRunsError(UserError):
    """A directory that is neither outputs/, nor a sweep, nor a run."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{printable(str(path), 200)} holds no runs; it takes outputs, a sweep's directory or"
            " a run's"
        )


class NotAskedError(UserError):
    """Something that is removed only when somebody says so, and nobody can be asked."""

    def __init__(self, total: str) -> None:
        super().__init__(
            f"nothing was removed: {total} would be, and there is no terminal to ask at; --yes"
            " removes them, --dry-run shows them"
        )


class TooFewRunsError(UserError):
    """A comparison of less than two runs."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"compare was given {listed(names) or 'nothing'}; it takes two runs or more, each by"
            " its directory, the beginning of its id, or 'latest'"
        )


class NotWrittenError(UserError):
    """A file that was asked for and cannot be written."""

    exit_code = 1

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"cannot write {printable(str(path), 200)}: {error.strerror};"
            " make room or give the right, or name another place"
        )


class LanguageNotOfferedError(UserError):
    """A language that reports are not written in."""

    def __init__(self, asked: str, offered: Sequence[str]) -> None:
        super().__init__(
            f"report.language='{printable(asked)}' is not offered; reports are written in"
            f" {listed(offered)}"
        )


class MetricDoesNotFitError(UserError):
    """A metric of two labels for a target with more."""

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        super().__init__(
            f"evaluation.metrics has '{name}', which two labels have; the target has"
            f" {len(labels)}: {listed(labels)}; leave it out or take 'recall', the mean over"
            " all labels"
        )


class TooManyGroupsError(UserError):
    """A column to judge by groups that has too many of them."""

    def __init__(self, column: str, n_values: int, most: int) -> None:
        super().__init__(
            f"evaluation.slices: column '{printable(column)}' has {n_values:,} different values;"
            f" a column of at most {most} gives groups large enough to judge"
        )


class NotExplainableError(UserError):
    """A model that predicts, and of which nobody can say what each column adds."""

    def __init__(self, why: str) -> None:
        super().__init__(f"this model's predictions cannot be explained: {why}")


class LabelsToDecideError(UserError):
    """A threshold for more labels than two."""

    def __init__(self, objective: str, labels: Sequence[str]) -> None:
        super().__init__(
            f"threshold.objective={objective} chooses between two labels, and the target has"
            f" {len(labels)}: {listed(labels)}; threshold=default takes the likeliest"
        )


class CostShapeError(UserError):
    """A matrix of costs that does not fit the labels."""

    def __init__(self, n_rows: int, labels: Sequence[str]) -> None:
        n = len(labels)
        super().__init__(
            f"threshold.costs has {n_rows} row(s) of {n_rows}, and the target has {n} labels,"
            f" {listed(labels)}: it takes {n} rows (true labels) of {n} numbers (predicted ones)"
        )


class FoldLacksClassError(UserError):
    """A fold whose model would never meet a class."""

    def __init__(self, key: str, n_splits: int, label: str) -> None:
        super().__init__(
            f"{key}={n_splits}: all rows of class '{label}' lie in one fold, since groups of"
            " cv.group_column stay together, and the model of that fold would not know the class;"
            " take more groups of it, or leave the class out"
        )


class ConstantPredictionsError(UserError):
    """A model for which no threshold parts rows."""

    exit_code = 1

    def __init__(self, proba: float) -> None:
        super().__init__(
            f"no threshold can be chosen: the model gives every training row out of folds the"
            f" probability {proba:.4g}; threshold=default needs no choice"
        )


class OutOfReachError(UserError):
    """A recall, or precision beside it, that no threshold reaches."""

    exit_code = 1

    def __init__(
        self,
        min_recall: float,
        min_precision: float | None,
        best_recall: float,
        best_precision: float | None,
    ) -> None:
        asked = f"threshold.min_recall={min_recall}"
        if min_precision is None:
            best = f"the best is {best_recall:.4f}, short of calling every row positive"
        else:
            asked += f" with threshold.min_precision={min_precision}"
            best = f"with that precision the best recall is {best_recall:.4f}"
            if best_precision is not None:
                best += f", and with that recall the best precision {best_precision:.4f}"
        super().__init__(
            f"{asked} is out of reach: on folds of the training rows {best}; ask for less"
        )


class StoreNotNamedError(UserError):
    """A push or a pull, and nobody said where."""

    def __init__(self) -> None:
        super().__init__("which model store? say --store s3://bucket/prefix, or set MODEL_STORE")


class StoreError(UserError):
    """A model store that does not do what it is asked, or holds what cannot be right."""

    exit_code = 1

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"model store: {place}: {reason}")


class NotInStoreError(StoreError):
    """A file that a model store lacks."""
