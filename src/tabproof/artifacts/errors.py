"""Errors of run directories, the registry and the model store."""

from collections.abc import Sequence
from pathlib import Path

from tabproof.errors import UserError, listed


class ManifestError(UserError):
    """A manifest cannot be read."""

    template = "{path} is damaged ({reason}): the run cannot be trusted"


class UnverifiedRunError(UserError):
    """A run directory differs from its manifest."""

    exit_code = 1
    template = "{path} cannot be trusted: {name} {reason}; take another run, or train it again"


class NotARunError(UserError):
    """A directory holds no complete run."""

    template = "{path} holds no complete run: {found}; python -m src.runs list shows what there is"

    def __init__(self, path: Path, state: str, cause: str | None) -> None:
        super().__init__(path=path, found=state if cause is None else f"{state} ({cause})")


class NoSuchRunError(UserError):
    """A name that names no run."""

    template = "'{asked}' names no run: {found}"


class AmbiguousRunError(UserError):
    """The beginning of several run ids."""

    template = "'{asked}' begins {n_found} run ids: {found}; type more of it"


class OutputsError(UserError):
    """A directory of runs is missing or cannot be read."""

    template = (
        "{path} {reason}; runs are in outputs/ of the project, which python -m src.train makes,"
        " or in the directory of --outputs"
    )


class ResumeDiffersError(UserError):
    """A search or a sweep cannot be resumed: what determines its numbers has changed."""

    template = (
        "{path} cannot be resumed, it is of something else: {differences}; undo the change, or"
        " begin anew (search.resume=false, or a new sweep; sweep.accept_changes=true continues one)"
    )


class RunningError(UserError):
    """Another process writes the run, searches in it, or runs the sweep."""

    template = "{path} is being written by {holder}; wait for it, or stop it"


class RegistryDamagedError(UserError):
    """A file of the registry is not as the registry writes it."""

    exit_code = 1
    template = (
        "{path} is damaged ({reason}): nothing is promoted or served by it; restore it from a"
        " backup, or move it away and promote anew"
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
    """A run without an exported scorer, which the service needs."""

    template = (
        "{path} has no scorer/: it was trained with export=false, or by an earlier version;"
        " train it again"
    )


class StoreAddressError(UserError):
    """An address that is not one of a model store."""

    template = (
        "'{text}' is no model store; s3://bucket/prefix, gs://bucket/prefix, az://container/prefix"
        " or a directory is one (passwords have variables of their own)"
    )


class StoreError(UserError):
    """A model store refuses a request, or holds something that cannot be right."""

    exit_code = 1
    template = "model store: {where}: {reason}"


class NotInStoreError(StoreError):
    """A model store does not have the file."""
