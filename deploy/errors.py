"""What an operator may meet, each wording itself in one line; beside src/errors.py, not in it.

The training side and the service never raise these, and a deployment needs none of theirs.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from tabproof.errors import UserError

PROGRAM = "python -m deploy"


def _meant(near: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(near)}?" if near else ""


class FailedError(UserError):
    """What the operator could not have known before: AWS refused, or something failed there."""

    exit_code = 1


# --- before anything is asked of AWS ------------------------------------------------------


class ParameterFileError(UserError):
    """A file of parameters that cannot be read as such."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: {reason}; it holds lines like 'MinTasks: 2'")


class UnknownParameterError(UserError):
    """A parameter that the stack's template has not."""

    def __init__(self, name: str, near: Sequence[str]) -> None:
        super().__init__(f"the stack has no parameter '{name}'{_meant(near)}")


class ParameterFormError(UserError):
    """A parameter that is no Name=value, or that has an option of its own."""

    def __init__(self, text: str, form: str) -> None:
        super().__init__(f"--set {text} cannot work; it takes {form}")


class StackNameError(UserError):
    """A name that the bucket's name could not begin with."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"--stack {name} cannot work: a letter, then letters, digits and hyphens, all small,"
            " 20 at most (the bucket's name begins with it)"
        )


class NobodyToAskError(UserError):
    """A question where no terminal is."""

    def __init__(self, question: str) -> None:
        super().__init__(f"{question}: there is no terminal to ask at; --yes goes ahead")


class NoRegionGivenError(UserError):
    """No region, neither said nor configured."""

    def __init__(self) -> None:
        super().__init__("no region: say --region, or set AWS_REGION")


class UnknownRegionError(UserError):
    """A region that AWS has not, as far as boto3 knows."""

    def __init__(self, region: str, near: Sequence[str]) -> None:
        super().__init__(
            f"there is no region '{region}'{_meant(near)} (boto3 lists those it knows)"
        )


class NoCredentialsFoundError(UserError):
    """No credentials, or some that cannot be read."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"no credentials for AWS ({reason}): sign in (aws sso login), name a --profile,"
            " or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )


# --- what AWS refused ---------------------------------------------------------------------


class CredentialsRefusedError(FailedError):
    """Credentials that AWS does not accept."""

    def __init__(self, operation: str, code: str) -> None:
        super().__init__(
            f"AWS does not accept these credentials ({operation}: {code}); sign in anew"
        )


class ClockError(FailedError):
    """A clock that is off: AWS accepts no signature that is minutes old or of the future."""

    def __init__(self, operation: str, ahead: timedelta | None) -> None:
        off = "is off"
        if ahead is not None:
            way = "ahead of" if ahead > timedelta() else "behind"
            off = f"is {abs(ahead).total_seconds() / 60:.0f} minutes {way} AWS's"
        super().__init__(
            f"this machine's clock {off}, so that AWS refused {operation}:"
            " set it (timedatectl set-ntp true) and say it again"
        )


class AccessDeniedError(FailedError):
    """Something these credentials may not do."""

    def __init__(self, operation: str, message: str) -> None:
        super().__init__(f"AWS denies {operation}: {message}")


class UnreachableError(FailedError):
    """No answer: no network, a wrong address, or a time-out."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"AWS cannot be reached: {reason}; check the network, the region and AWS_ENDPOINT_URL"
        )


class RefusedError(FailedError):
    """Anything else that AWS refuses."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"AWS refused {operation}: {message} ({code})")


# --- the stack ----------------------------------------------------------------------------


class StackMissingError(UserError):
    """No stack of that name in that region."""

    def __init__(self, name: str, region: str) -> None:
        super().__init__(f"there is no stack '{name}' in {region}; {PROGRAM} deploy makes it")


class StackBusyError(UserError):
    """A stack that is being changed by somebody."""

    def __init__(self, name: str, state: str) -> None:
        undo = ""
        if state == "UPDATE_IN_PROGRESS":
            undo = f", or undo it: aws cloudformation cancel-update-stack --stack-name {name}"
        super().__init__(
            f"stack '{name}' is being changed ({state}); wait ({PROGRAM} status){undo}"
        )


class StackBrokenError(UserError):
    """A stack in a state that no update leads out of."""

    def __init__(self, name: str, state: str) -> None:
        remedy = f"{PROGRAM} teardown, then deploy: data stays"
        if state == "UPDATE_ROLLBACK_FAILED":
            remedy = f"aws cloudformation continue-update-rollback --stack-name {name}"
        super().__init__(f"stack '{name}' cannot be updated ({state}); first: {remedy}")


class StackFailedError(FailedError):
    """A change that AWS gave up; failures: what failed first, in words."""

    def __init__(self, name: str, state: str, failures: Sequence[str]) -> None:
        why = "; ".join(failures) or "no event says why"
        super().__init__(f"stack '{name}' ended as {state}: {why}")


class ChangeRefusedError(FailedError):
    """A change set that AWS could not make."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"stack '{name}' cannot be changed so: {reason}")


class ProtectedStackError(UserError):
    """A stack that is protected against being deleted."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"stack '{name}' is protected; first: aws cloudformation update-termination-protection"
            f" --no-enable-termination-protection --stack-name {name}"
        )


class TimeLimitError(FailedError):
    """Something that has not ended within the limit; what was begun goes on."""

    def __init__(self, what: str, minutes: float) -> None:
        super().__init__(f"{what} is not over after {minutes:g} minutes (--limit)")


# --- images, revisions, the service -------------------------------------------------------


class ForeignImageError(UserError):
    """An image outside the repository that tasks may fetch from."""

    def __init__(self, image: str, repository: str) -> None:
        super().__init__(f"'{image}' is not in {repository}, and tasks may fetch from there only")


class RepositoryMissingError(UserError):
    """An image was named before there is a repository."""

    def __init__(self, repository: str) -> None:
        super().__init__(
            f"there is no repository {repository} yet: {PROGRAM} deploy without --image makes it;"
            " push, then say --image"
        )


class ImageMissingError(UserError):
    """An image that the repository has not; newest: tags that it has."""

    def __init__(self, image: str, repository: str, newest: Sequence[str]) -> None:
        found = f"the newest there: {', '.join(newest)}" if newest else "it is empty"
        super().__init__(f"there is no image '{image}' in {repository}; {found}")


class NoServiceError(UserError):
    """A stack that serves nothing."""

    def __init__(self, stack: str, reason: str) -> None:
        super().__init__(f"stack '{stack}' has no service: {reason}")


class NoPredecessorError(UserError):
    """Nothing to go back to."""

    def __init__(self, family: str, number: int) -> None:
        super().__init__(
            f"{family} has no ACTIVE revision before {number}: there is nothing to go back to;"
            f" {PROGRAM} deploy --image TAG deploys another image"
        )


class RevisionUnusableError(UserError):
    """A revision that is not there, or that was deregistered; active: those that would do."""

    def __init__(self, family: str, number: int, found: str, active: Sequence[int]) -> None:
        usable = f"ACTIVE are {', '.join(map(str, active[:8]))}" if active else "none is ACTIVE"
        super().__init__(f"revision {number} of {family} {found}; {usable}")


class ImageGoneError(UserError):
    """A revision whose image is no longer there: its tasks could not start."""

    def __init__(self, family: str, number: int, image: str) -> None:
        super().__init__(
            f"revision {number} of {family} cannot start: its image {image} is no longer in ECR;"
            " --to REVISION or --image TAG goes elsewhere"
        )


class DriftError(UserError):
    """A service that was rolled back, and a deployment that does not say what is meant."""

    def __init__(self, running: str, image: str, stack: str) -> None:
        super().__init__(
            f"the service was rolled back to revision {running}, the stack says {stack}: say"
            f" --image {image}, which runs, or another image"
        )


class RolloutFailedError(FailedError):
    """A deployment of the service that ECS gave up or that something replaced."""

    def __init__(self, revision: str, reason: str, primary: str) -> None:
        super().__init__(
            f"the service did not take revision {revision}: {reason}; it is on revision {primary}"
        )


class DataLeftError(FailedError):
    """Objects that could not be deleted."""

    def __init__(self, bucket: str, failures: int, first: str) -> None:
        super().__init__(f"{failures} objects of {bucket} could not be deleted, the first: {first}")
