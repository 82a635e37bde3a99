"""Errors of run directories, the registry and the model store."""

from collections.abc import Sequence
from pathlib import Path

from tabproof.errors import UserError, listed


class ManifestError(UserError):
    """A manifest cannot be read."""

    template = "{path} is damaged ({reason}): the run cannot be trusted"


class UnverifiedRunError(UserError):
    """A run directory is not exactly what its manifest says."""

    exit_code = 1
    template = "{path} cannot be trusted: {name} {reason}; take another run, or train it again"


class NotARunError(UserError):
    """A directory holds no complete run."""

    def __init__(self, path: Path, state: str, cause: str | None) -> None:
        found = state if cause is None else f"{state} ({cause})"
        super().__init__(path=path, found=found)

    template = "{path} holds no complete run: {found}; python -m src.runs list shows what there is"


class NoSuchRunError(UserError):
    """A name that names no run."""

    def __init__(self, asked: str, outputs: Path, n_runs: int, similar: Sequence[str]) -> None:
        found = (
            f"it is neither a directory, nor the beginning of a run id (4 characters or more),"
            f" nor 'latest'; of the {n_runs} run(s) in {outputs} there is {listed(similar, 3)}"
            if n_runs
            else f"{outputs} holds no complete run; python -m src.train makes one"
        )
        super().__init__(asked=asked, found=found)

    template = "'{asked}' names no run: {found}"


class AmbiguousRunError(UserError):
    """The beginning of several run ids."""

    def __init__(self, asked: str, found: Sequence[str]) -> None:
        super().__init__(asked=asked, n_found=len(found), found=found)

    template = "'{asked}' begins {n_found} run ids: {found}; type more of it"


class OutputsError(UserError):
    """A directory of runs is missing or cannot be read."""

    template = (
        "{path} {reason}; runs are in outputs/ of the project, which python -m src.train makes,"
        " or where --outputs says"
    )


class _DiffersError(UserError):
    """Something that determines numbers has changed; shows the first six differences."""

    def __init__(self, path: Path, differing: Sequence[str]) -> None:
        more = ", …" if len(differing) > 6 else ""
        super().__init__(path=path, differing=", ".join(differing[:6]) + more)


class ResumeDiffersError(_DiffersError):
    """A search cannot be resumed, because what determines its fits has changed."""

    template = (
        "{path} cannot be resumed, its fits are of something else: {differing};"
        " undo the change, or begin anew with search.resume=false"
    )


class SweepDiffersError(_DiffersError):
    """A sweep cannot be resumed, because what determines its numbers has changed."""

    template = (
        "{path} cannot be resumed, its runs are of something else: {differing}; undo the change,"
        " begin a new sweep, or continue all the same with sweep.accept_changes=true"
    )


class SearchRunningError(UserError):
    """Another process runs the search."""

    template = "another process is searching in {path}; wait for it, or stop it"


class SweepRunningError(UserError):
    """Another process runs the sweep."""

    template = "{path} is being written by {holder}; wait for it, or stop it"


class JobRunningError(UserError):
    """A process that survived its sweep still runs the job."""

    template = (
        "{job} is being written by process {pid} on {host}; wait for it, or stop it. If that"
        " machine is gone: sweep.accept_changes=true"
    )


class NoSweepError(UserError):
    """A directory holds no sweep that can be resumed."""

    template = (
        "{path} holds no sweep; sweep.resume takes the directory that a sweep named at its"
        " start, outputs/<date>/<time>_sweep_…"
    )


class RegistryNameError(UserError):
    """A name that a promoted model cannot have."""

    template = (
        "'{name}' cannot name a model: a name is 1 to 64 letters of A-Z a-z 0-9 . _ - and begins"
        " with a letter or digit; choose another with --name"
    )


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


class NoSuchVersionError(UserError):
    """A version that was never promoted."""

    template = "'{asked}' was never promoted as '{name}'; there are {versions}"


class NothingBeforeError(UserError):
    """A rollback from the first version."""

    template = (
        "{name}: nothing was promoted before {current}, so there is nothing to go back to;"
        " --to goes to any promoted version (python -m src.runs history {name})"
    )


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

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where=where, reason=reason)


class NotInStoreError(StoreError):
    """A model store does not have the file."""


class PushRefusedError(UserError):
    """A push would remove entries of the store's history that are not in the registry here."""

    exit_code = 1
    template = (
        "{store} is not where '{name}' here comes from: {reason}; python -m src.runs pull {name}"
        " --overwrite takes the store's history, then promote again and push"
    )


class PushConflictError(UserError):
    """The store holds another execution of the same run, with other bytes under the same id."""

    exit_code = 1
    template = (
        "{store} holds {name}/{version} with other bytes: another execution of the same run,"
        " pushed from elsewhere, or being pushed now; pull it, or --replace it with this one"
    )


class PullRefusedError(UserError):
    """A pull would undo promotions that were made here."""

    exit_code = 1
    template = (
        "here '{name}' has promotions that {store} lacks, the last of them {version}: push them,"
        " or --overwrite to follow the store (versions here stay)"
    )


class SignatureError(UserError):
    """A model has no valid signature of a trusted key."""

    exit_code = 1
    template = (
        "model '{name}' {version} is refused, as MODEL_SIGNATURE_KEY asks for a signature:"
        " {reason}; python -m src.runs push {name} --sign KEY signs it"
    )


class KeyUnusableError(UserError):
    """A key that can neither sign nor verify."""

    template = (
        "{option} {reason}; it takes a PEM of a curve P-256, P-384 or P-521, as in openssl ecparam"
        " -name prime256v1 -genkey"
    )
