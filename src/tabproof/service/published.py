"""Files of runs that people may read: opened once, beneath a root, and sent whole or in part.

Which paths are published is decided by their form alone (`endpoints.PUBLISHED`): pages, model
cards, plots and leaderboards. Data, models, logs and configurations are not among them.
"""

import asyncio
import os
import re
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import IO

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from tabproof import web
from tabproof.artifacts.files import opened_beneath
from tabproof.service.answers import RefusedError
from tabproof.service.negotiation import has_tag, language_of, prefers_html
from tabproof.text import LANGUAGES

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".csv": "text/csv; charset=utf-8",
    # Browsers show it; text/markdown they would save.
    ".md": "text/plain; charset=utf-8",
}
# Bytes that are read and sent at once.
CHUNK = 2**18
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
# By what is published there: pages of runs, or the page about the prediction log.
MISSING = {
    "runs": "nothing is published at this path; of a run there are report.html, model_card.md and"
    " plots/<name>.svg, of a sweep report.html, leaderboard.csv and leaderboard.md",
    "monitor": "there is no monitor.html in the directory of the prediction log"
    " (API_PREDICTION_LOG); 'python -m src.monitor check --page LOG/monitor.html' writes it",
}


def respond(
    request: Request, path: Path | None, roots: Sequence[Path], about: str = "runs"
) -> Response:
    """Return the response with a file, or one about what is published; raise RefusedError.

    path: None if it has not the form of what is published. Links are followed beneath the roots,
    to a file of the same name. about: key of MISSING.
    """
    if path is None:
        return _missing(request, about)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(opened_beneath(path, roots))
        except (OSError, ValueError):
            # A client does not learn whether something is there.
            return _missing(request, about)
        found = os.fstat(file.fileno())
        size, changed = found.st_size, int(found.st_mtime)
        headers = {
            "ETag": f'"{found.st_ino:x}-{found.st_mtime_ns:x}-{size:x}"',
            "Last-Modified": formatdate(changed, usegmt=True),
            "Cache-Control": "private, no-cache",
            "Content-Security-Policy": _policy(path.suffix),
            # A browser that knows the password must not show it within another site's page.
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if _is_known(request, headers["ETag"], changed):
            return Response(status_code=304, headers=headers)
        headers |= {"Content-Type": TYPES[path.suffix], "Accept-Ranges": "bytes"}
        if path.suffix == ".csv":
            headers["Content-Disposition"] = f'attachment; filename="{path.name}"'
        part = None
        if request.method == "GET" and _wants_part(request, headers["ETag"], changed):
            part = find_range(request.headers.get("range", ""), size)
        start, end = part or (0, size)
        headers["Content-Length"] = str(end - start)
        if part is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        file.seek(start)
        status = 200 if part is None else 206
        return _OpenedFile(stack.pop_all(), file, end - start, status, headers)


def _missing(request: Request, about: str) -> Response:
    """Return a page about what is published, because reports link to files that are not.

    Raise RefusedError where a client prefers JSON.
    """
    if not prefers_html(",".join(request.headers.getlist("accept"))):
        raise RefusedError(404, MISSING[about], headers={"Vary": "Accept, Accept-Language"})
    from tabproof.service.front_page import render_missing

    path, prefix = request.scope["path"], request.scope.get("root_path", "")
    language = language_of(",".join(request.headers.getlist("accept-language")), LANGUAGES)
    # Relative without a known prefix, because a proxy may have removed one in silence.
    front = f"{prefix}/" if prefix else "../" * (path.count("/") - 1) or "./"
    content, policy = render_missing(language, front, about)
    headers = {"Vary": "Accept, Accept-Language", "Content-Security-Policy": policy}
    return Response(content, 404, headers, "text/html; charset=utf-8")


class _OpenedFile(Response):
    """Send bytes of an opened file, and close it."""

    def __init__(
        self, stack: ExitStack, file: IO[bytes], n_bytes: int, status: int, headers: dict[str, str]
    ) -> None:
        self._stack, self._file, self._n_bytes = stack, file, n_bytes
        super().__init__(None, status, headers)

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Send the head and, unless the request is HEAD, the bytes."""
        with self._stack:
            head = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **head})
            left = 0 if scope["method"] == "HEAD" else self._n_bytes
            while left > 0:
                chunk = await asyncio.to_thread(self._file.read, min(CHUNK, left))
                if not chunk:
                    raise OSError(f"{left} bytes were cut off while the file was sent")
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
            if self._n_bytes == 0 or scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})


def find_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first byte of a range and the one behind its last; None where all is sent.

    Several ranges, and what is malformed, are ignored, as RFC 9110 allows. Raise RefusedError
    for a range that begins behind the end.
    """
    found = RANGE.fullmatch(header.replace(" ", ""))
    first, last = found.groups() if found else ("", "")
    if not first and not last:
        return None
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        reason = f"the file has {size:,} bytes"
        raise RefusedError(416, reason, headers={"Content-Range": f"bytes */{size}"})
    return start, end


def _is_known(request: Request, tag: str, changed: int) -> bool:
    """Return whether the client has the file as it is."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return has_tag(tags, tag)
    since = _seconds_of(request.headers.get("if-modified-since", ""))
    return since is not None and changed <= since


def _wants_part(request: Request, tag: str, changed: int) -> bool:
    """Return whether a range is of the file as the client knows it."""
    condition = request.headers.get("if-range")
    if condition is None:
        return True
    return condition == tag or _seconds_of(condition) == changed


def _seconds_of(date: str) -> float | None:
    with suppress(ValueError, OverflowError):
        found = parsedate_to_datetime(date)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return None


@cache
def _policy(suffix: str) -> str:
    """Return the Content-Security-Policy of a kind of file, whatever a stranger wrote into it."""
    if suffix != ".html":
        # A plot has styles, and neither runs nor loads anything.
        return "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
    # The scripts of this version alone: pages of others keep all that needs none.
    scripts = [web.read_script(path.stem) for path in sorted(web.BUILT.glob("*.js"))]
    return web.policy_of(scripts, frame_ancestors="'none'")
