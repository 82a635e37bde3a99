"""Errors of the configuration."""

from collections.abc import Sequence

from tabproof.errors import UnknownKeyError, UserError, listed


class ConfigurationError(UserError):
    """A composition fails for a reason that Hydra explains well enough."""


class YamlSyntaxError(UserError):
    """A file of conf/ is not YAML."""

    def __init__(self, file: str, line: int, problem: str) -> None:
        super().__init__(f"{file}, line {line} is no valid YAML: {problem}")


class UnknownFreeKeyError(UserError):
    """A key of a node that takes any key was changed before it was added."""

    def __init__(self, key: str, present: Sequence[str]) -> None:
        group = key.rpartition(".")[0]
        found = listed(present) if present else "no keys yet"
        super().__init__(f"there is no '{key}' yet; '+{key}=…' adds it ({group} has {found})")


class UnknownChoiceError(UserError):
    """A config group does not have the choice."""

    def __init__(self, group: str, choice: str, choices: Sequence[str]) -> None:
        super().__init__(
            f"{group}={choice}: there is no such choice; there are {listed(choices, 20)}"
            if choices
            else f"there is no config '{choice}'; a configuration of the project is 'train'"
        )


class WrongTypeError(UserError):
    """A value cannot be converted to the type of its key."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason[:1].lower()}{reason[1:]}; see docs/configuration.md")


class UnknownGridError(UserError):
    """The model does not have the grid that is to be searched."""

    def __init__(self, name: str | None, names: Sequence[str]) -> None:
        super().__init__(
            f"search.param_grid={name} names no grid of this model; it has {listed(names)}"
            if names
            else "this model has no grids: give it model.param_grids, or choose search=none"
        )


class IncompatiblePreprocessError(UserError):
    """The estimator does not accept what the preprocessing leaves."""

    def __init__(self, estimator: str, left: str, member: str = "") -> None:
        whose, remedy = ("", "preprocess=onehot")
        if member:
            whose, remedy = f"{member}: ", f"preprocess@{member}.preprocess=onehot"
        super().__init__(
            f"{whose}{estimator} takes no {left}, and this preprocess leaves them;"
            f" {remedy} leaves neither missing values nor categories"
        )


class MembersPreprocessError(IncompatiblePreprocessError):
    """A vote has a preprocessing, and so do its members."""

    def __init__(self) -> None:
        UserError.__init__(
            self,
            "each member of this model has a preprocess of its own, and takes columns as they are:"
            " preprocess=native; preprocess@model.members.<name>.preprocess=… changes a member's",
        )


class CannotInstantiateError(UserError):
    """A `_target_` cannot be imported or called."""

    def __init__(self, key: str, target: str, reason: str) -> None:
        super().__init__(f"{key}: {target} cannot be made: {reason}")


class ResumeInSweepError(UserError):
    """A sweep cannot resume a search: all of its jobs are in new directories."""

    template = (
        "search.resume={asked} is for a single run; a sweep goes on with"
        " -m sweep.resume=<its directory>"
    )


class ResumeUnreadableError(UserError):
    """search.resume is given beside flags that only Hydra can read."""

    template = (
        "search.resume cannot be used with {flags}: the configuration is known only later; put the"
        " file into conf/, or give the overrides on the command line"
    )


class StoredConfigError(UserError):
    """The config.yaml of a run cannot be composed by this version."""

    template = (
        "the run's config.yaml cannot be composed by this version: {reason};"
        " check out the commit that its summary.json names"
    )


class KeyDecidesError(UserError):
    """A replay cannot change a key that decides numbers."""

    template = (
        "'{key}' decides numbers, so the run would be another one: a replay takes keys such as"
        " runtime.workers, dataset.path, dataset.data_home; python -m src.train takes all keys"
    )


class NoPartitionError(UserError):
    """The folds leave rows without a prediction, and every row needs one."""

    def __init__(self, key: str, asked: str, none: str) -> None:
        super().__init__(
            f"{key}={asked} needs a prediction of every training row by a model that was not"
            " fitted on it, and cv=time_series has none for the first rows;"
            f" take {key}={none}, or another cv"
        )


class KeyOfOtherChoiceError(UnknownKeyError):
    """Another choice of the same group has the key."""

    def __init__(self, key: str, choices: Sequence[str]) -> None:
        UserError.__init__(self, f"only {' or '.join(choices)} has the key '{key}'")
