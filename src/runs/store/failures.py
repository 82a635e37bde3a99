"""What a store answered, in words: its own texts are pages long."""

import re

CODES = {
    "RequestTimeTooSkewed": "this machine's clock is off, so that the store refuses what it signs;"
    " set the clock",
    "NoSuchBucket": "there is no such bucket",
    "PermanentRedirect": "the bucket lies in another region; set AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket lies in another region; set AWS_REGION",
}
CREDENTIALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidToken",
    "TokenRefreshRequired",
}
# Where clouds tell a machine its role.
ROLE = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
MOST_LETTERS = 160


def reason(error: BaseException) -> str:
    """Say why a store did not do what it was asked."""
    text = str(error)
    code = _found(r"<Code>(\w{1,60})</Code>", text)
    status = _found(r"status code: (\d{3}[ \w]{0,40})", text)
    if isinstance(error, TimeoutError) or "kind: Timeout" in text:
        return "it does not answer in time"
    if code in CODES:
        return CODES[code]
    if code in CREDENTIALS:
        return f"it does not take these credentials ({code})"
    if "Received redirect without LOCATION" in text:
        return CODES["PermanentRedirect"]
    if any(place in text for place in ROLE) or re.search(r"Missing \w*(Key|Credential)", text):
        return (
            "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what"
            " your cloud calls them, or give this machine a role"
        )
    if status and (isinstance(error, PermissionError) or status[:3] in ("401", "403")):
        return f"these credentials may not do that, or it is not there ({code or status})"
    if "kind: Connect" in text:
        return "it cannot be reached"
    if "HTTP error" in text:
        return "the connection to it breaks off"
    if status:
        return f"it answers {status}{f' ({code})' if code else ''}"
    return _plain(error, text)


def _plain(error: BaseException, text: str) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    line = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return line[:MOST_LETTERS]


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1].strip() if match else ""
