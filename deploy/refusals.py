"""What boto3 raises, in the words of this project."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from botocore import exceptions as raised
from botocore.parsers import ResponseParserError

from deploy import errors
from tabproof.errors import UserError

NO_CREDENTIALS = (
    raised.NoCredentialsError,
    raised.PartialCredentialsError,
    raised.CredentialRetrievalError,
    raised.ProfileNotFound,
    raised.SSOError,
    raised.TokenRetrievalError,
)
UNREACHABLE = (raised.HTTPClientError, raised.ConnectionError)
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
LATE_OR_EARLY = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
BAD_SIGNATURE = {"InvalidSignatureException", "SignatureDoesNotMatch"}
# How services that have no code for it word a clock that is off.
OF_ANOTHER_TIME = ("Signature expired", "Signature not yet current")
BAD_CREDENTIALS = BAD_SIGNATURE | {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
}


def as_user_error(error: BaseException) -> UserError | None:
    """Word an error for an operator; None for what is our own fault."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, raised.ClientError):
        return _as_refusal(error)
    if isinstance(error, NO_CREDENTIALS):
        return errors.NoCredentialsFoundError(_one_line(error))
    if isinstance(error, UNREACHABLE):
        return errors.UnreachableError(_one_line(error))
    if isinstance(error, ResponseParserError):
        return errors.UnreachableError("something answered that is not AWS, or not whole")
    if isinstance(error, raised.BotoCoreError):
        return errors.RefusedError("before it was sent", type(error).__name__, _one_line(error))
    return None


def _as_refusal(error: raised.ClientError) -> UserError:
    operation = error.operation_name
    code, message = code_of(error), error.response.get("Error", {}).get("Message", "")
    if code in LATE_OR_EARLY or (code in BAD_SIGNATURE and message.startswith(OF_ANOTHER_TIME)):
        return errors.ClockError(operation, _ahead(error.response))
    if code in DENIED:
        return errors.AccessDeniedError(operation, message or code)
    if code in BAD_CREDENTIALS:
        return errors.CredentialsRefusedError(operation, code)
    return errors.RefusedError(operation, code, message)


def _ahead(response: Any) -> timedelta | None:
    """Tell how far this clock is ahead of the one that answered."""
    try:
        theirs = parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError):
        return None
    ahead = datetime.now(UTC) - theirs
    # Signatures may be five minutes off: less than one is the delay of an answer.
    return ahead if abs(ahead) >= timedelta(minutes=1) else None


def code_of(error: raised.ClientError) -> str:
    """Name what AWS calls the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def notes(error: BaseException) -> str:
    """Give what was noted on the way up."""
    return "".join(f"; {note}" for note in getattr(error, "__notes__", []))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
