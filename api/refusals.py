"""Why a request is not answered: a status and a message for the client."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from api.answers import Difference


class RefusedError(Exception):
    """Ends a request with a status below 500, or 503."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        difference: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.headers = dict(headers or {})
        self.difference = None if difference is None else msgspec.convert(difference, Difference)


def not_found(what: str) -> RefusedError:
    """Say what is not there."""
    return RefusedError(404, what)


def no_model(
    failed: Mapping[str, str], default: str | None = None, served: Sequence[str] = ()
) -> RefusedError:
    """Say that nothing is served by default, and what to do."""
    detail = no_model_detail(failed, default, served)
    return RefusedError(503, detail, headers={"Retry-After": "5"})


def no_model_detail(
    failed: Mapping[str, str], default: str | None = None, served: Sequence[str] = ()
) -> str:
    """Word why nothing is served by default."""
    if served and default not in failed:
        return (
            f"API_DEFAULT_MODEL names '{default}', and what serves is {', '.join(served)}, at"
            " /models/{name}/predict; promote it under that name, or start with another"
        )
    if failed:
        causes = "; ".join(f"'{name}' cannot be loaded: {why}" for name, why in failed.items())
        return f"no model serves: {causes}; mend or promote another, then POST /reload"
    return (
        "there is no model yet: train one (make train), promote it (python -m src.runs promote"
        " latest), then POST /reload, or start again"
    )
