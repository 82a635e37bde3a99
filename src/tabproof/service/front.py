"""The answer of `/`: a page for people, or the same facts as JSON for programs."""

import msgspec
from fastapi import Request, Response

from tabproof.service.description import index_of
from tabproof.service.examples import ADDRESS
from tabproof.service.model_store import Served
from tabproof.service.negotiation import has_tag, language_of, prefers_html, tag_of
from tabproof.service.settings import Settings
from tabproof.text import LANGUAGES

UNKNOWN_HOST = "http://localhost:8000"


def respond(
    request: Request, served: Served, settings: Settings, *, name: str | None, why_not_ready: str
) -> Response:
    """Return the served models and the addresses; name: of the requested model."""
    # Relative without a known prefix, because a proxy may have removed one without saying so.
    prefix = request.scope.get("root_path", "")
    base = f"{prefix}/" if prefix else ""
    index = index_of(served, why_not_ready, settings, base)
    headers = {"Cache-Control": "private, no-cache"}
    status, media_type = 200, "application/json"
    accept = ",".join(request.headers.getlist("accept"))
    if settings.pages != "off":
        headers["Vary"] = "Accept, Accept-Language"
    if settings.pages != "off" and prefers_html(accept):
        # Loaded for people only: most replicas serve programs alone.
        from tabproof.service.front_page import Page, render

        languages = ",".join(request.headers.getlist("accept-language"))
        language = language_of(languages, LANGUAGES)
        page = Page(
            index,
            served,
            name,
            language,
            base,
            _address(request, prefix),
            needs_key=bool(settings.key),
            can_reload=bool(settings.admin_token),
        )
        status = 404 if name is not None and name not in served.models else 200
        content, headers["Content-Security-Policy"] = render(page)
        headers["Content-Language"], media_type = language, "text/html; charset=utf-8"
    else:
        if name is not None:
            served.find(name)
            index.models = [facts for facts in index.models if facts.name == name]
        content = msgspec.json.encode(index)
    headers["ETag"] = tag_of(content)
    if status == 200 and has_tag(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, status, headers, media_type)


def _address(request: Request, prefix: str) -> str:
    """Return the address of `/` for the example requests, as far as the service knows it."""
    address = f"{request.scope['scheme']}://{request.headers.get('host', '')}{prefix}"
    # The client wrote the host.
    return f"{address if ADDRESS.fullmatch(address) else UNKNOWN_HOST}/"
