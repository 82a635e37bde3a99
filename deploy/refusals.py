"""Convert the errors of boto3 to errors of this project."""

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
WRONG_CLOCK = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
BAD_SIGNATURE = {"InvalidSignatureException", "SignatureDoesNotMatch"}
# Messages of services that have no code for a wrong clock.
WRONG_TIME = ("Signature expired", "Signature not yet current")
BAD_CREDENTIALS = BAD_SIGNATURE | {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
}


def explain_aws_error(error: BaseException) -> UserError | None:
    """Return an error for the operator, or None for a fault of this program."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, raised.ClientError):
        return _as_refusal(error)
    if isinstance(error, NO_CREDENTIALS):
        return errors.NoCredentialsFoundError(reason=_one_line(error))
    if isinstance(error, UNREACHABLE):
        return errors.UnreachableError(reason=_one_line(error))
    if isinstance(error, ResponseParserError):
        return errors.UnreachableError(reason="the response is not from AWS, or incomplete")
    if isinstance(error, raised.BotoCoreError):
        return errors.RefusedError(
            operation="before it was sent", code=type(error).__name__, message=_one_line(error)
        )
    return None


def _as_refusal(error: raised.ClientError) -> UserError:
    operation = error.operation_name
    code, message = code_of(error), error.response.get("Error", {}).get("Message", "")
    if code in WRONG_CLOCK or (code in BAD_SIGNATURE and message.startswith(WRONG_TIME)):
        return errors.ClockError(operation, _ahead(error.response))
    if code in DENIED:
        return errors.AccessDeniedError(operation=operation, message=message or code)
    if code in BAD_CREDENTIALS:
        return errors.CredentialsRefusedError(operation=operation, code=code)
    return errors.RefusedError(operation=operation, code=code, message=message)


def _ahead(response: Any) -> timedelta | None:
    """Return how far this clock is ahead of that of AWS; None below a minute."""
    try:
        theirs = parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError):
        return None
    ahead = datetime.now(UTC) - theirs
    # AWS accepts five minutes; less than one may be the delay of the response.
    return ahead if abs(ahead) >= timedelta(minutes=1) else None


def code_of(error: raised.ClientError) -> str:
    """Return the error code of AWS."""
    return str(error.response.get("Error", {}).get("Code", ""))


def notes(error: BaseException) -> str:
    """Return the notes that were added to an error."""
    return "".join(f"; {note}" for note in getattr(error, "__notes__", []))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
