"""Errors of deployments that an operator may meet.

They are apart from those of training and of the service, which do not import this package.
"""

from collections.abc import Sequence
from datetime import timedelta

from tabproof.errors import UserError

PROGRAM = "python -m deploy"


class FailedError(UserError):
    """An error that the operator could not foresee: AWS refused, or something failed there."""

    exit_code = 1


# --- Before a request to AWS


class ParameterFileError(UserError):
    """A file of parameters that cannot be read."""

    template = "{file}: {reason}; it takes lines like 'MinTasks: 2'"


class UnknownParameterError(UserError):
    """A parameter that is not in the stack's template."""

    template = "the stack has no parameter '{name}'{suggestion}"


class ParameterFormError(UserError):
    """A parameter that is not of the form Name=value, or that has its own option."""

    template = "--set {text} cannot work; it takes {form}"


class StackNameError(UserError):
    """A name that a bucket's name cannot begin with."""

    template = (
        "--stack {name} cannot work; it takes a lowercase letter, then lowercase letters, digits"
        " and hyphens, at most 20 in all (the bucket's name begins with it)"
    )


class NoTerminalError(UserError):
    """A question without a terminal."""

    template = "{question}: there is no terminal to ask at; --yes continues without asking"


class NoRegionGivenError(UserError):
    """No region, neither as an option nor in the configuration."""

    template = "no region: give --region, or set AWS_REGION"


class UnknownRegionError(UserError):
    """A region that boto3 does not know."""

    template = "there is no region '{region}'{suggestion} (boto3 lists those it knows)"


class NoCredentialsFoundError(UserError):
    """No credentials, or credentials that cannot be read."""

    template = (
        "no credentials for AWS ({reason}): sign in (aws sso login), give a --profile, or set"
        " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )


# --- Refused by AWS


class CredentialsRefusedError(FailedError):
    """Credentials that AWS does not accept."""

    template = "AWS does not accept these credentials ({operation}: {code}); sign in again"


class ClockError(FailedError):
    """A wrong clock: AWS accepts no signature that is minutes old or from the future."""

    def __init__(self, operation: str, ahead: timedelta | None) -> None:
        clock = "this machine's clock is wrong"
        if ahead is not None:
            direction = "ahead of" if ahead > timedelta() else "behind"
            minutes = abs(ahead).total_seconds() / 60
            clock = f"this machine's clock is {minutes:.0f} minutes {direction} AWS's"
        super().__init__(
            f"{clock}, so that AWS refused {operation}:"
            " set it (timedatectl set-ntp true) and run the command again"
        )


class AccessDeniedError(FailedError):
    """An operation that these credentials do not allow."""

    template = "AWS denies {operation}: {message}"


class UnreachableError(FailedError):
    """No response: no network, a wrong address, or a time-out."""

    template = "AWS cannot be reached: {reason}; check the network, the region and AWS_ENDPOINT_URL"


class RefusedError(FailedError):
    """Any other refusal by AWS."""

    template = "AWS refused {operation}: {message} ({code})"


# --- The stack


class StackMissingError(UserError):
    """There is no stack of that name in that region."""

    template = f"there is no stack '{{name}}' in {{region}}; {PROGRAM} deploy makes it"


class StackBusyError(UserError):
    """A stack that is being changed."""

    def __init__(self, name: str, state: str) -> None:
        undo = ""
        if state == "UPDATE_IN_PROGRESS":
            undo = f", or undo it: aws cloudformation cancel-update-stack --stack-name {name}"
        super().__init__(
            f"stack '{name}' is being changed ({state}); wait ({PROGRAM} status){undo}"
        )


class StackBrokenError(UserError):
    """A stack in a state that no update can leave."""

    def __init__(self, name: str, state: str) -> None:
        remedy = f"{PROGRAM} teardown, then deploy: data is kept"
        if state == "UPDATE_ROLLBACK_FAILED":
            remedy = f"aws cloudformation continue-update-rollback --stack-name {name}"
        super().__init__(f"stack '{name}' cannot be updated ({state}); first: {remedy}")


class StackFailedError(FailedError):
    """A change that failed; failures: the first events of it."""

    def __init__(self, name: str, state: str, failures: Sequence[str]) -> None:
        reason = "; ".join(failures) or "no event has a reason"
        super().__init__(f"stack '{name}' ended as {state}: {reason}")


class ChangeRefusedError(FailedError):
    """A change set that AWS could not make."""

    template = "stack '{name}' cannot be changed so: {reason}"


class ProtectedStackError(UserError):
    """A stack that is protected against deletion."""

    template = (
        "stack '{name}' is protected; first: aws cloudformation update-termination-protection"
        " --no-enable-termination-protection --stack-name {name}"
    )


class TimeLimitError(FailedError):
    """An operation that has not ended within the limit; AWS continues it."""

    template = "{what} is not over after {minutes:g} minutes (--limit)"


# --- Images, revisions, the service


class ForeignImageError(UserError):
    """An image outside of the repository that tasks may pull from."""

    template = "'{image}' is not in {repository}, and tasks may fetch from there only"


class RepositoryMissingError(UserError):
    """An image was named before its repository exists."""

    template = (
        f"there is no repository {{repository}} yet: {PROGRAM} deploy without --image makes it;"
        " push an image, then give --image"
    )


class ImageMissingError(UserError):
    """An image that is not in the repository; newest: tags that are."""

    def __init__(self, image: str, repository: str, newest: Sequence[str]) -> None:
        found = f"the newest there: {', '.join(newest)}" if newest else "it is empty"
        super().__init__(f"there is no image '{image}' in {repository}; {found}")


class NoServiceError(UserError):
    """A stack without a service."""

    template = "stack '{stack}' has no service: {reason}"


class NoPredecessorError(UserError):
    """There is no revision to roll back to."""

    template = (
        "{family} has no ACTIVE revision before {number}: there is nothing to go back to;"
        f" {PROGRAM} deploy --image TAG deploys another image"
    )


class RevisionUnusableError(UserError):
    """A revision that does not exist or was deregistered; active: those that can be used."""

    def __init__(self, family: str, number: int, found: str, active: Sequence[int]) -> None:
        usable = f"ACTIVE are {', '.join(map(str, active[:8]))}" if active else "none is ACTIVE"
        super().__init__(f"revision {number} of {family} {found}; {usable}")


class ImageGoneError(UserError):
    """A revision whose image was deleted: its tasks could not start."""

    template = (
        "revision {number} of {family} cannot start: its image {image} is no longer in ECR;"
        " --to REVISION or --image TAG chooses another one"
    )


class DriftError(UserError):
    """A service that was rolled back, and a deployment that does not name an image."""

    template = (
        "the service was rolled back to revision {running}, and the stack has revision {stack}:"
        " give --image {image}, which is running, or another image"
    )


class RolloutFailedError(FailedError):
    """A rollout that ECS ended, or that another one replaced."""

    template = "the service did not take revision {revision}: {reason}; it is on revision {primary}"


class DataLeftError(FailedError):
    """Objects that could not be deleted."""

    template = "{failures} objects of {bucket} could not be deleted, the first: {first}"
