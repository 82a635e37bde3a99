"""Errors that a user may meet here."""

from collections.abc import Sequence
from pathlib import Path

from tabproof.errors import UserError, listed, printable


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


class ManifestError(UserError):
    """A manifest that cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged ({reason}): the run cannot be trusted")


class NoSuchRunError(UserError):
    """A run that is not there."""

    def __init__(self, asked: str, outputs: Path, n_runs: int, nearest: Sequence[str]) -> None:
        if not n_runs:
            super().__init__(
                f"'{printable(asked)}' names no run: {outputs} holds no complete run;"
                " python -m src.train makes one"
            )
            return
        super().__init__(
            f"'{printable(asked)}' names no run: it is neither a directory, nor the beginning of"
            f" a run id (4 characters or more), nor 'latest'; of the {n_runs} run(s) in {outputs}"
            f" there is {listed(nearest, 3)}"
        )


class AmbiguousRunError(UserError):
    """The beginning of several run ids."""

    def __init__(self, asked: str, found: Sequence[str]) -> None:
        super().__init__(f"'{asked}' begins {len(found)} run ids: {listed(found)}; say more of it")


class RegistryNameError(UserError):
    """A name that cannot name a promoted model."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"'{printable(name)}' cannot name a model: a name is 1 to 64 letters of A-Z a-z 0-9"
            " . _ - and begins with a letter or digit; choose another with --name"
        )


class RegistryDamagedError(UserError):
    """A part of the registry that is not as the registry writes it."""

    exit_code = 1

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} is damaged ({printable(reason, 200)}): nothing is promoted or served by it;"
            " restore it from a backup, or move it away and promote anew"
        )


class NoSuchVersionError(UserError):
    """A version that was never promoted."""

    def __init__(self, name: str, asked: str, versions: Sequence[str]) -> None:
        super().__init__(
            f"'{printable(asked)}' was never promoted as '{name}'; there are {listed(versions)}"
        )


class NothingBeforeError(UserError):
    """A rollback from the first version."""

    def __init__(self, name: str, current: str) -> None:
        super().__init__(
            f"{name}: nothing was promoted before {current}, so there is nothing to go back to;"
            f" --to goes to any promoted version (python -m src.runs history {name})"
        )


class OutputsError(UserError):
    """A directory of runs that is not there or cannot be read."""

    def __init__(self, outputs: Path, reason: str) -> None:
        super().__init__(
            f"{printable(str(outputs), 200)} {reason}; runs lie in outputs/ of the project, which"
            " python -m src.train makes, or where --outputs says"
        )


class StoreAddressError(UserError):
    """A place for models that nobody can go to."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"'{text:.200}' is no model store; s3://bucket/prefix, gs://bucket/prefix,"
            " az://container/prefix or a directory is one (passwords have variables of their own)"
        )


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


class ResumeDiffersError(UserError):
    """A search that cannot go on, since what determines its fits has changed."""

    def __init__(self, run: Path, differing: Sequence[str]) -> None:
        shown = ", ".join(differing[:6]) + (", …" if len(differing) > 6 else "")
        super().__init__(
            f"{run} cannot be resumed, its fits are of something else: {shown};"
            " undo the change, or begin anew with search.resume=false"
        )


class SearchRunningError(UserError):
    """A search that another process is running."""

    def __init__(self, run: Path) -> None:
        super().__init__(f"another process is searching in {run}; wait for it, or stop it")


class UnverifiedRunError(UserError):
    """A run directory that is not what its manifest says, or holds what no run holds."""

    exit_code = 1

    def __init__(self, path: Path, name: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be trusted: {printable(name)} {printable(reason, 200)};"
            " take another run, or train it again"
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


class NotARunError(UserError):
    """A directory that holds no complete run."""

    def __init__(self, path: Path, state: str, cause: str | None) -> None:
        reason = "" if cause is None else f" ({printable(cause, 300)})"
        super().__init__(
            f"{printable(str(path), 200)} holds no complete run: {state}{reason};"
            " python -m src.runs list shows what there is"
        )


class StoreError(UserError):
    """A model store that does not do what it is asked, or holds what cannot be right."""

    exit_code = 1

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"model store: {place}: {reason}")


class NotInStoreError(StoreError):
    """A file that a model store lacks."""
