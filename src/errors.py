"""Every error that a user may meet, each wording itself in one line.

A message says what was asked, what was found, and what would work.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def _listed(values: Sequence[Any], limit: int = 8) -> str:
    shown = ", ".join(f"'{value}'" for value in values[:limit])
    return f"{shown}, … ({len(values)} in all)" if len(values) > limit else shown


def _suggested(values: Sequence[str]) -> str:
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


# --- configuration ----------------------------------------------------------------------


class ConfigurationError(UserError):
    """A composition that fails for a reason that Hydra words well enough."""


class YamlSyntaxError(UserError):
    """A file of conf/ that is no YAML."""

    def __init__(self, file: str, line: int, problem: str) -> None:
        super().__init__(f"{file}, line {line} is no valid YAML: {problem}")


class UnknownKeyError(UserError):
    """A key that no part of the schema has."""

    def __init__(self, key: str, nearest: Sequence[str]) -> None:
        super().__init__(f"there is no key '{key}'{_suggested(nearest)}")


class KeyOfOtherChoiceError(UnknownKeyError):
    """A key that another choice of the same group has."""

    def __init__(self, key: str, choices: Sequence[str]) -> None:
        UserError.__init__(self, f"only {' or '.join(choices)} has the key '{key}'")


class UnknownFreeKeyError(UserError):
    """A key of a part that takes any key, changed before it was added."""

    def __init__(self, key: str, present: Sequence[str]) -> None:
        group = key.rpartition(".")[0]
        found = _listed(present) if present else "no keys yet"
        super().__init__(f"there is no '{key}' yet; '+{key}=…' adds it ({group} has {found})")


class UnknownChoiceError(UserError):
    """A config group without that choice."""

    def __init__(self, group: str, choice: str, choices: Sequence[str]) -> None:
        super().__init__(
            f"{group}={choice}: there is no such choice; there are {_listed(choices, 20)}"
            if choices
            else f"there is no config '{choice}'; a configuration of the project is 'train'"
        )


class OverrideSyntaxError(UserError):
    """A word of the command line that is no override."""

    def __init__(self, override: str) -> None:
        super().__init__(
            f"'{override}' is not of the form key=value;"
            " put quotes around values with spaces, commas, brackets or '=': \"key='a=b'\""
        )


class WrongTypeError(UserError):
    """A value that cannot be converted to the type of its key."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason[:1].lower()}{reason[1:]}; see docs/configuration.md")


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


class UnknownGridError(UserError):
    """A search over a grid that the model has not."""

    def __init__(self, name: str | None, names: Sequence[str]) -> None:
        super().__init__(
            f"search.param_grid={name} names no grid of this model; it has {_listed(names)}"
            if names
            else "this model has no grids: give it model.param_grids, or choose search=none"
        )


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


class IncompatiblePreprocessError(UserError):
    """A preprocessing that leaves what the estimator does not take."""

    def __init__(self, estimator: str, left: str, member: str = "") -> None:
        whose, remedy = ("", "preprocess=onehot")
        if member:
            whose, remedy = f"{member}: ", f"preprocess@{member}.preprocess=onehot"
        super().__init__(
            f"{whose}{estimator} takes no {left}, and this preprocess leaves them;"
            f" {remedy} leaves neither missing values nor categories"
        )


class MembersPreprocessError(IncompatiblePreprocessError):
    """A preprocessing before a vote, whose members have their own."""

    def __init__(self) -> None:
        UserError.__init__(
            self,
            "each member of this model has a preprocess of its own, and takes columns as they are:"
            " preprocess=native; preprocess@model.members.<name>.preprocess=… changes a member's",
        )


class CannotInstantiateError(UserError):
    """A `_target_` that cannot be imported or called."""

    def __init__(self, key: str, target: str, reason: str) -> None:
        super().__init__(f"{key}: {target} cannot be made: {reason}")


class UnknownParameterError(UserError):
    """A grid over a parameter that the pipeline has not."""

    def __init__(self, parameter: str, nearest: Sequence[str], valid: Sequence[str]) -> None:
        super().__init__(
            f"the grid's '{parameter}' is not a parameter of the pipeline"
            f"{_suggested(nearest)} It has {_listed(valid, 40)}"
        )


class InvalidParameterError(UserError):
    """A parameter's value that the estimator refuses."""

    def __init__(self, parameter: str, value: Any, reason: str) -> None:
        super().__init__(f"{parameter}={value!r} is refused by the estimator: {reason}")


class NotAClassifierError(UserError):
    """An estimator that gives no probabilities of classes."""

    def __init__(self, estimator: str) -> None:
        super().__init__(
            f"model.estimator: {estimator} is no classifier with predict_proba; wrap it in"
            " sklearn.calibration.CalibratedClassifierCV, or choose another"
        )


class BinaryScorerError(UserError):
    """A scorer for two classes, asked for more."""

    def __init__(self, scoring: str, n_classes: int) -> None:
        super().__init__(
            f"search.scoring={scoring} is for two classes, and the target has {n_classes};"
            f" choose {scoring}_macro or {scoring}_weighted"
        )


class UnknownScorerError(UserError):
    """A scorer that scikit-learn does not know."""

    def __init__(self, scoring: str, nearest: Sequence[str]) -> None:
        super().__init__(
            f"search.scoring={scoring} is no scorer of classifiers{_suggested(nearest)}"
        )


# --- data -------------------------------------------------------------------------------


class FileMissingError(UserError):
    """A path where no file is."""

    def __init__(self, path: Path) -> None:
        found = "a directory" if path.is_dir() else "nothing"
        super().__init__(f"dataset.path={path}: there is {found} (from {Path.cwd()})")


class UnreadableFileError(UserError):
    """A file that its reader refuses."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be read: {reason}")


class EncodingError(UserError):
    """A text file in another encoding than was said."""

    def __init__(self, path: Path, encoding: str, works: str | None) -> None:
        remedy = f"dataset.encoding={works} reads it" if works else "say which: dataset.encoding=…"
        super().__init__(f"{path} is not encoded in {encoding}; {remedy}")


class SeparatorError(UserError):
    """A text file whose cells are separated by something else."""

    def __init__(self, path: Path, separator: str, seen: str) -> None:
        seen = "\\t" if seen == "\t" else seen
        super().__init__(
            f"{path} has one column only when cut at '{separator}';"
            f" its header holds '{seen}': try 'dataset.separator={seen}'"
        )


class EmptyTableError(UserError):
    """A table without a single row that could be used."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(f"{name} holds {found}; a header and rows with a target are needed")


class DuplicateColumnsError(UserError):
    """Columns of the same name."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(f"columns stand there twice: {_listed(columns)}; names must be unique")


class UnnamedColumnsError(UserError):
    """Columns whose header is empty, such as an index that pandas wrote."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(
            f"column(s) without a name in the header, here called {_listed(columns)}: name them,"
            f" or leave them out: dataset.drop_columns=[{','.join(columns)}]"
        )


class DecimalCommaError(UserError):
    """Numbers with decimal commas, which would become categories."""

    def __init__(self, column: str, example: str) -> None:
        super().__init__(
            f"column '{column}' holds numbers with decimal commas, such as '{example}':"
            f" dataset.decimal=, reads them (+dataset.column_types.{column}=category if they are"
            " none)"
        )


class ColumnMissingError(UserError):
    """A column that was named and is not in the table."""

    def __init__(self, key: str, column: str, columns: Sequence[str]) -> None:
        super().__init__(f"{key}: there is no column '{column}'; there are {_listed(columns, 20)}")


class UnknownLabelError(UserError):
    """A positive label that is not in the target."""

    def __init__(self, label: str, target: str, labels: Sequence[str]) -> None:
        yaml_trap = label in ("True", "False")
        super().__init__(
            f"dataset.pos_label='{label}' is not in target '{target}'; its labels:"
            f" {_listed(labels)}"
            + (" (unquoted yes, no, on, off are booleans in YAML: quote them)" if yaml_trap else "")
        )


class NoTargetError(UserError):
    """An OpenML table that names no column to predict."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(
            f"OpenML '{name}' version {version} names no single target of its own;"
            " save it as a file and say dataset=file dataset.target=…"
        )


class FewGroupsError(UserError):
    """Fewer groups than folds."""

    def __init__(self, n_groups: int, n_splits: int, key: str = "search.n_splits") -> None:
        super().__init__(
            f"{key}={n_splits}: the training rows hold {n_groups} group(s) of"
            " cv.group_column, and every fold needs one; take fewer folds"
        )


class SingleClassError(UserError):
    """A target, or a part of it, that holds one class only."""

    def __init__(self, where: str, label: str) -> None:
        super().__init__(f"{where} holds one class only, '{label}'; two are needed at least")


class RareClassError(UserError):
    """A class with too few rows to stand in every part."""

    def __init__(
        self, label: str, n_rows: int, needed: int, why: str, folds: str = "search.n_splits"
    ) -> None:
        super().__init__(
            f"class '{label}' has {n_rows} row(s), but {why} needs {needed};"
            f" leave the class out, join it with another, or take fewer folds ({folds})"
        )


class HoldOutError(UserError):
    """Rows that cannot be divided as asked."""

    def __init__(self, asked: str, reason: str) -> None:
        super().__init__(f"{asked}: no rows can be held out this way: {reason}")


class NotClassesError(UserError):
    """A target of numbers rather than classes."""

    def __init__(self, target: str, n_labels: int) -> None:
        super().__init__(
            f"target '{target}' holds {n_labels} different numbers: that is a quantity, not"
            " classes; make classes of it first"
        )


class NotLabelsError(UserError):
    """A target of something that cannot be a label."""

    def __init__(self, target: str, found: str) -> None:
        super().__init__(f"target '{target}' holds {found}; labels are texts or whole numbers")


class NoValueError(UserError):
    """Columns that say nothing."""

    def __init__(self, columns: Sequence[str], what: str, key: str) -> None:
        super().__init__(f"columns with {what}: {_listed(columns)}; leave them out: {key}")


class NotANumberError(UserError):
    """A column forced to be a number that holds text."""

    def __init__(self, column: str, n_cells: int, example: str) -> None:
        super().__init__(
            f"dataset.column_types: '{column}' is to be a number, but {n_cells} cell(s) are not,"
            f" such as '{example}'"
        )


class InfiniteValueError(UserError):
    """Infinite numbers, which no estimator takes."""

    def __init__(self, counts: dict[str, int]) -> None:
        found = ", ".join(f"'{column}' ({count})" for column, count in counts.items())
        super().__init__(f"infinite numbers in {found}; make them missing, or leave the column out")


class UnusableColumnError(UserError):
    """A column that is neither a number nor a category."""

    def __init__(self, column: str, found: str, key: str) -> None:
        super().__init__(f"column '{column}' holds {found}; make numbers of it, or {key}")


class TooManyCategoriesError(UserError):
    """A column with more categories than the estimator takes."""

    def __init__(self, column: str, found: int, limit: int) -> None:
        super().__init__(
            f"column '{column}' has {found} categories, and the estimator takes {limit};"
            " choose preprocess=target, hashing, ordinal or onehot, or leave the column out"
        )


class NoColumnsError(UserError):
    """A table with nothing to learn from."""

    def __init__(self, target: str) -> None:
        super().__init__(f"nothing is left to learn from beside the target '{target}'")


class DownloadError(UserError):
    """A dataset that is not cached and cannot be fetched."""

    def __init__(self, name: str, version: int, data_home: Path, reason: str) -> None:
        super().__init__(
            f"OpenML '{name}' version {version} is not cached in {data_home} and cannot be"
            f" downloaded ({reason}); go online, or point dataset.data_home at a copy"
        )


class DamagedCacheError(UserError):
    """A cached download that fails its checksum or cannot be unpacked."""

    def __init__(self, name: str, version: int, data_home: Path, reason: str) -> None:
        super().__init__(
            f"the copy of OpenML '{name}' version {version} in {data_home} is damaged and could"
            f" not be fetched anew ({reason}); go online, or put an intact copy there"
        )


class NewerFormatError(UserError):
    """A file that a newer version of this project has written."""

    def __init__(self, name: str, found: object, known: int) -> None:
        super().__init__(
            f"{name} has format {found}, and this version reads {known}; update the project"
        )


# --- scoring ----------------------------------------------------------------------------


class NotExportableError(UserError):
    """A pipeline that cannot be written as data alone."""

    def __init__(self, what: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{what} cannot be exported as data, so the service could not run it; what can:"
            f" {_listed(known, 20)}; export=false trains it all the same"
        )


class ScorerDiffersError(UserError):
    """An exported scorer that does not give the pipeline's probabilities."""

    exit_code = 1

    def __init__(self, rows: str, difference: float, allowed: float) -> None:
        super().__init__(
            f"the exported scorer differs from the pipeline by {difference:.3g} on {rows}"
            f" ({allowed:g} is allowed), so it must not be served: please report this;"
            " export=false trains without it"
        )


class ScorerDamagedError(UserError):
    """Files of a scorer that are not of its form."""

    exit_code = 1

    def __init__(self, reason: str) -> None:
        super().__init__(f"scorer/ cannot be read: {reason}; promote or train another run")


# --- service ----------------------------------------------------------------------------


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


# --- batch scoring ----------------------------------------------------------------------


class BatchPathError(UserError):
    """An input or output that cannot be meant."""

    def __init__(self, key: str, path: str, reason: str) -> None:
        standard = "stdin" if key == "input" else "stdout"
        super().__init__(
            f"{key}={path}: {reason};"
            f" it takes .csv, .csv.gz, .parquet, a directory, or - ({standard})"
        )


class BadRowsPathError(UserError):
    """A place where bad rows cannot be set aside."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"bad_rows={path}: {reason}; say bad_rows=…, a file of its own")


class NoInputFilesError(UserError):
    """A directory without anything to score."""

    def __init__(self, path: Path, kinds: Sequence[str]) -> None:
        endings = ", ".join(f".{kind}" for kind in kinds)
        super().__init__(f"input={path}: there is no file that ends in {endings}")


class BatchInputError(UserError):
    """An input that its reader refuses."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} cannot be read: {reason}")


class BatchEncodingError(UserError):
    """A header in another encoding than was said."""

    def __init__(self, name: str, encoding: str, works: str | None) -> None:
        remedy = f"encoding={works} reads its header" if works else "say which: encoding=…"
        super().__init__(f"{name} is not encoded in {encoding}; {remedy}")


class BatchSeparatorError(UserError):
    """A CSV whose cells are separated by something else."""

    def __init__(self, name: str, separator: str, seen: str) -> None:
        seen = "\\t" if seen == "\t" else seen
        super().__init__(
            f"{name} has one column only when cut at '{separator}'; its header holds '{seen}':"
            f" try 'separator={seen}'"
        )


class EndlessRecordError(UserError):
    """A record of a CSV that goes on and on: a quote that nobody closed."""

    def __init__(self, name: str, offset: int, limit: int) -> None:
        super().__init__(
            f"{name}: the record at byte {offset:,} does not end within {limit:,} bytes; a quote"
            " that is opened there is never closed"
        )


class ColumnsDifferError(UserError):
    """Columns that a model cannot be given, all of them at once."""

    def __init__(
        self,
        name: str,
        missing: Sequence[str],
        unknown: Sequence[str],
        wrong: dict[str, str],
        *,
        strict: bool,
    ) -> None:
        parts = [f"missing {_listed(missing, 20)}"] if missing else []
        parts += [f"unknown {_listed(unknown, 20)}"] if unknown else []
        parts += ["wrong type " + ", ".join(f"'{k}' ({v})" for k, v in wrong.items())] * bool(wrong)
        asked = ", and strict=true" if strict else ""
        super().__init__(f"{name} has not the model's columns{asked}: {'; '.join(parts)}")


class KeptColumnError(UserError):
    """A column that cannot be carried into the output."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"keep: '{name}' {reason}")


class InputChangedError(UserError):
    """An input that was written while it was read."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"{_listed(names, 3)} changed while it was scored, so nothing was written;"
            " score it again when nobody writes it"
        )


class PartsInUseError(UserError):
    """Parts that another process is writing."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"another process is scoring into {directory}; wait for it, or stop it")


class PartsTakenError(UserError):
    """A directory of parts in which something else lies."""

    def __init__(self, directory: Path, found: Sequence[str]) -> None:
        super().__init__(
            f"{directory} is where finished parts lie, and it holds {_listed(found, 4)};"
            " move that away, or choose another output"
        )


class BatchFileError(UserError):
    """A file that the system refused to read or to write: no space, no right."""

    exit_code = 1

    def __init__(self, error: OSError) -> None:
        place = f" {error.filename}" if error.filename else ""
        reason = error.strerror or str(error) or type(error).__name__
        kept = "".join(f", {note}" for note in getattr(error, "__notes__", []))
        super().__init__(f"cannot read or write{place}: {reason}{kept}")


# --- training ---------------------------------------------------------------------------


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


class ResumeInSweepError(UserError):
    """A resumed search in a sweep, whose jobs would all be in new directories."""

    def __init__(self, asked: object) -> None:
        super().__init__(
            f"search.resume={asked} is for a single run; a sweep goes on with"
            " -m sweep.resume=<its directory>"
        )


class NoSweepError(UserError):
    """A directory that holds no sweep that could go on."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} holds no sweep; sweep.resume takes the directory that a sweep named at its"
            " start, outputs/<date>/<time>_sweep_…"
        )


class SweepRunningError(UserError):
    """A sweep that another process is running."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(
            f"{path} is being written by {holder or 'another process'}; wait for it, or stop it"
        )


class JobRunningError(UserError):
    """A job that is still run by a process that its sweep has left."""

    def __init__(self, job: Path, pid: str, host: str) -> None:
        super().__init__(
            f"{job} is being written by process {pid} on {host}; wait for it, or stop it. If that"
            " machine is gone: sweep.accept_changes=true"
        )


class SweepDiffersError(UserError):
    """A sweep that cannot go on, since what determines its numbers has changed."""

    def __init__(self, path: Path, differing: Sequence[str]) -> None:
        shown = ", ".join(differing[:6]) + (", …" if len(differing) > 6 else "")
        super().__init__(
            f"{path} cannot be resumed, its runs are of something else: {shown}; undo the change,"
            " begin a new sweep, or go on all the same with sweep.accept_changes=true"
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


class ResumeUnreadableError(UserError):
    """A resumed search beside flags that only Hydra can read."""

    def __init__(self, flags: Sequence[str]) -> None:
        super().__init__(
            f"search.resume cannot be used with {', '.join(flags)}, since what the run is composed"
            " of is known only later; put the file into conf/, or name the overrides"
        )


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
            f"{path} is not empty (it holds {_listed(found, 4)}); a run needs a directory of its"
            " own: choose another hydra.run.dir, or remove it"
        )


class ManifestError(UserError):
    """A manifest that cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged ({reason}): the run cannot be trusted")


class WriteError(UserError):
    """A run that could not be written: no space, no right, a file in the way."""

    exit_code = 1

    def __init__(self, error: OSError) -> None:
        place = f" {error.filename}" if error.filename else ""
        reason = error.strerror or os.strerror(error.errno or 0)
        circumstances = "".join(f", {note}" for note in getattr(error, "__notes__", []))
        super().__init__(
            f"cannot write{place}: {reason}{circumstances};"
            " make room, or choose another place with hydra.run.dir=…"
        )


# --- replay -----------------------------------------------------------------------------


class NotReplayableError(UserError):
    """A run that is damaged, or lacks what a replay needs."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"nothing to replay: {reason}")


class StoredConfigError(UserError):
    """A run's config.yaml that this version cannot compose."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the run's config.yaml cannot be composed by this version: {reason};"
            " check out the commit that its summary.json names"
        )


class KeyDecidesError(UserError):
    """A key that a replay may not change, since numbers follow from it."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"'{key}' decides numbers, so the run would be another: a replay takes keys such as"
            " runtime.workers, dataset.path, dataset.data_home; python -m src.train takes all"
        )


class ReplayDataMissingError(UserError):
    """A run whose file of data is not where it was."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"the run was trained on dataset.path={path}, and there is no such file (from"
            f" {Path.cwd()}); say where a copy lies: python -m src.replay RUN dataset.path=…"
        )


class ReplayOutputError(UserError):
    """A directory that a replay may not write into."""

    def __init__(self, output: Path, reason: str) -> None:
        super().__init__(
            f"--output {output}: {reason}; a replay needs a directory of its own, and without"
            " --output it makes one"
        )


class ReplayWriteError(UserError):
    """A replay that could not be written: no space, no right, a file in the way."""

    exit_code = 1

    def __init__(self, error: OSError) -> None:
        place = f" {error.filename}" if error.filename else ""
        reason = error.strerror or os.strerror(error.errno or 0)
        super().__init__(
            f"the replay cannot use{place}: {reason}; the run itself was only read; make room, or"
            " choose another place with --output"
        )


class NoEnvironmentError(UserError):
    """A run that did not record what was installed."""

    def __init__(self, run: Path, name: str) -> None:
        super().__init__(
            f"{run} holds no {name}: it was trained by an earlier version; without --environment"
            " it replays with what is installed here"
        )


class PythonMissingError(UserError):
    """A run of a Python that is not on this machine."""

    def __init__(self, wanted: str, here: str) -> None:
        super().__init__(
            f"--environment needs Python {wanted}, with which the run was trained, and python"
            f"{wanted} is not on the PATH (this is {here}); install it, or leave --environment out"
        )


class EnvironmentFailedError(UserError):
    """An environment that could not be made."""

    exit_code = 1

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(
            f"--environment: {step} failed: {reason or 'it did not say why'}; pip's own"
            " configuration says where packages come from"
        )


# --- cluster ----------------------------------------------------------------------------

_SAME_CODE = (
    "start it anew in the root of a checkout of the same commit, installed from the same locks"
    " (docs/cluster.md)"
)


class ClusterUnreachableError(UserError):
    """A cluster that cannot be used: nobody answers, or nobody works there."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the cluster at {address} cannot be used: {reason};"
            " docs/cluster.md says how to start its scheduler and workers"
        )


class ClusterDiffersError(UserError):
    """A machine of a cluster that has something else than this one: its numbers could differ."""

    def __init__(self, place: str, what: str, *, here: str, there: str) -> None:
        name = "this project's src" if what == "src" else what
        super().__init__(f"{place} has {name} {there[:16]}, and here is {here[:16]}; {_SAME_CODE}")


class CodeMissingError(UserError):
    """A worker that cannot import this project."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place} cannot import this project ({reason}); {_SAME_CODE}")


class ClusterLostError(UserError):
    """A scheduler that went away while it was needed."""

    exit_code = 1

    def __init__(self) -> None:
        super().__init__(
            "the scheduler of the cluster is gone, and with it all that its workers were doing;"
            " start the cluster and the command again"
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


# --- registry ---------------------------------------------------------------------------


def _printable(text: str, limit: int = 80) -> str:
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
            f"{path} cannot be trusted: {_printable(name)} {_printable(reason, 200)};"
            " take another run, or train it again"
        )


class OutsideRootsError(UserError):
    """A path that a client asked for and may not have."""

    def __init__(self, asked: str, roots: Sequence[Path], reason: str) -> None:
        # The client need not learn where on this machine the roots lie.
        names = [str(root) if not root.is_absolute() else root.name for root in roots]
        super().__init__(
            f"'{_printable(asked)}' {reason}; it takes a run's directory under"
            f" {' or '.join(names)}, as in {names[-1]}/<date>/<run>"
        )


class NoSuchRunError(UserError):
    """A run that is not there."""

    def __init__(self, asked: str, outputs: Path, n_runs: int, nearest: Sequence[str]) -> None:
        if not n_runs:
            super().__init__(
                f"'{_printable(asked)}' names no run: {outputs} holds no complete run;"
                " python -m src.train makes one"
            )
            return
        super().__init__(
            f"'{_printable(asked)}' names no run: it is neither a directory, nor the beginning of"
            f" a run id (4 characters or more), nor 'latest'; of the {n_runs} run(s) in {outputs}"
            f" there is {_listed(nearest, 3)}"
        )


class AmbiguousRunError(UserError):
    """The beginning of several run ids."""

    def __init__(self, asked: str, found: Sequence[str]) -> None:
        super().__init__(f"'{asked}' begins {len(found)} run ids: {_listed(found)}; say more of it")


class RegistryNameError(UserError):
    """A name that cannot name a promoted model."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"'{_printable(name)}' cannot name a model: a name is 1 to 64 letters of A-Z a-z 0-9"
            " . _ - and begins with a letter or digit; choose another with --name"
        )


class RegistryDamagedError(UserError):
    """A part of the registry that is not as the registry writes it."""

    exit_code = 1

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} is damaged ({_printable(reason, 200)}): nothing is promoted or served by it;"
            " restore it from a backup, or move it away and promote anew"
        )


class NotPromotedError(UserError):
    """A name under which nothing was promoted."""

    def __init__(self, name: str, root: Path, names: Sequence[str]) -> None:
        remedy = (
            f"there are {_listed(names, 20)}"
            if names
            else "python -m src.runs promote latest promotes the newest run"
        )
        super().__init__(f"nothing was promoted as '{name}' in {root}; {remedy}")


class NoSuchVersionError(UserError):
    """A version that was never promoted."""

    def __init__(self, name: str, asked: str, versions: Sequence[str]) -> None:
        super().__init__(
            f"'{_printable(asked)}' was never promoted as '{name}'; there are {_listed(versions)}"
        )


class NothingBeforeError(UserError):
    """A rollback from the first version."""

    def __init__(self, name: str, current: str) -> None:
        super().__init__(
            f"{name}: nothing was promoted before {current}, so there is nothing to go back to;"
            f" --to goes to any promoted version (python -m src.runs history {name})"
        )


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
            f" {_printable(found, 200)}, the current version {_printable(current, 200)};"
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


# --- browsing ---------------------------------------------------------------------------


class OutputsError(UserError):
    """A directory of runs that is not there or cannot be read."""

    def __init__(self, outputs: Path, reason: str) -> None:
        super().__init__(
            f"{_printable(str(outputs), 200)} {reason}; runs lie in outputs/ of the project, which"
            " python -m src.train makes, or where --outputs says"
        )


class NotARunError(UserError):
    """A directory that holds no complete run."""

    def __init__(self, path: Path, state: str, cause: str | None) -> None:
        reason = "" if cause is None else f" ({_printable(cause, 300)})"
        super().__init__(
            f"{_printable(str(path), 200)} holds no complete run: {state}{reason};"
            " python -m src.runs list shows what there is"
        )


class UnknownMetricError(UserError):
    """A metric or a key to sort by that no run has."""

    def __init__(self, key: str, asked: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{key} '{_printable(asked)}': no run has that; there are {_listed(known, 20)}"
        )


class NotASetOfRunsError(UserError):
    """A directory that is neither outputs/, nor a sweep, nor a run."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{_printable(str(path), 200)} holds no runs; it takes outputs, a sweep's directory or"
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
            f"compare was given {_listed(names) or 'nothing'}; it takes two runs or more, each by"
            " its directory, the beginning of its id, or 'latest'"
        )


class NotWrittenError(UserError):
    """A file that was asked for and cannot be written."""

    exit_code = 1

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"cannot write {_printable(str(path), 200)}: {error.strerror};"
            " make room or give the right, or name another place"
        )


class LanguageNotOfferedError(UserError):
    """A language that reports are not written in."""

    def __init__(self, asked: str, offered: Sequence[str]) -> None:
        super().__init__(
            f"report.language='{_printable(asked)}' is not offered; reports are written in"
            f" {_listed(offered)}"
        )


class MetricDoesNotFitError(UserError):
    """A metric of two labels for a target with more."""

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        super().__init__(
            f"evaluation.metrics has '{name}', which two labels have; the target has"
            f" {len(labels)}: {_listed(labels)}; leave it out or take 'recall', the mean over"
            " all labels"
        )


class TooManyGroupsError(UserError):
    """A column to judge by groups that has too many of them."""

    def __init__(self, column: str, n_values: int, most: int) -> None:
        super().__init__(
            f"evaluation.slices: column '{_printable(column)}' has {n_values:,} different values;"
            f" a column of at most {most} gives groups large enough to judge"
        )


class DataChecksFailedError(UserError):
    """Data in which checks found something, where nothing may be found."""

    def __init__(self, found: Sequence[str]) -> None:
        super().__init__(
            f"checks.fail=true, and the data has: {'; '.join(found)}; put the data right, or go on"
            " with checks.fail=false, which says what each means"
        )


class NotExplainableError(UserError):
    """A model that predicts, and of which nobody can say what each column adds."""

    def __init__(self, why: str) -> None:
        super().__init__(f"this model's predictions cannot be explained: {why}")


# --- deciding ---------------------------------------------------------------------------


class NoPartitionError(UserError):
    """Folds that leave rows without a prediction, where every row needs one."""

    def __init__(self, key: str, asked: str, none: str) -> None:
        super().__init__(
            f"{key}={asked} needs a prediction of every training row by a model that was not"
            " fitted on it, and cv=time_series has none for the first rows;"
            f" take {key}={none}, or another cv"
        )


class LabelsToDecideError(UserError):
    """A threshold for more labels than two."""

    def __init__(self, objective: str, labels: Sequence[str]) -> None:
        super().__init__(
            f"threshold.objective={objective} chooses between two labels, and the target has"
            f" {len(labels)}: {_listed(labels)}; threshold=default takes the likeliest"
        )


class CostShapeError(UserError):
    """A matrix of costs that does not fit the labels."""

    def __init__(self, n_rows: int, labels: Sequence[str]) -> None:
        n = len(labels)
        super().__init__(
            f"threshold.costs has {n_rows} row(s) of {n_rows}, and the target has {n} labels,"
            f" {_listed(labels)}: it takes {n} rows (true labels) of {n} numbers (predicted ones)"
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


class OrderedNotRepeatedError(UserError):
    """Repeated cross-validation of rows in time."""

    def __init__(self, n_splits: int, n_repeats: int) -> None:
        super().__init__(
            f"evaluation.n_repeats={n_repeats}: rows in time divide into {n_splits} folds in one"
            " way only, the past before the future, so nothing could be repeated; use"
            " evaluation=default, or another cv"
        )


# --- model store ------------------------------------------------------------------------


class StoreAddressError(UserError):
    """A place for models that nobody can go to."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"'{text:.200}' is no model store; s3://bucket/prefix, gs://bucket/prefix,"
            " az://container/prefix or a directory is one (passwords have variables of their own)"
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


class PushRefusedError(UserError):
    """A push that would take away from the store what it knows and we don't."""

    exit_code = 1

    def __init__(self, place: str, name: str, why: str) -> None:
        super().__init__(
            f"{place} is not where '{name}' here comes from: {why}; python -m src.runs pull {name}"
            " --overwrite takes the store's history, then promote again and push"
        )


class PushConflictError(UserError):
    """Two executions of one run, with different bytes, and one name for them."""

    exit_code = 1

    def __init__(self, place: str, name: str, version: str) -> None:
        super().__init__(
            f"{place} holds {name}/{version} with other bytes: another execution of the same run,"
            " pushed from elsewhere, or being pushed now; pull it, or --replace it with this one"
        )


class PullRefusedError(UserError):
    """A pull that would undo promotions that were made here."""

    exit_code = 1

    def __init__(self, place: str, name: str, version: str) -> None:
        super().__init__(
            f"here '{name}' has promotions that {place} lacks, the last of them {version}: push"
            " them, or --overwrite to go by the store (versions here stay)"
        )


class SignatureError(UserError):
    """A model that nobody we trust vouches for."""

    exit_code = 1

    def __init__(self, name: str, version: str, why: str) -> None:
        super().__init__(
            f"model '{name}' {version} is refused, as MODEL_SIGNATURE_KEY asks for a signature:"
            f" {why}; python -m src.runs push {name} --sign KEY signs it"
        )


class KeyUnusableError(UserError):
    """A key that signs or verifies nothing."""

    def __init__(self, which: str, why: str) -> None:
        super().__init__(
            f"{which} {why}; it takes a PEM of a curve P-256, P-384 or P-521, as in openssl"
            " ecparam -name prime256v1 -genkey"
        )
