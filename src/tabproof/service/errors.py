"""Errors of this package that a user may meet."""

from collections.abc import Sequence
from pathlib import Path

from tabproof.errors import UserError, printable


class SettingError(UserError):
    """An environment variable of the service with a value that cannot work."""

    def __init__(self, variable: str, found: str, valid: str) -> None:
        super().__init__(f"{variable}={found} cannot work; it takes {valid} (docs/service.md)")


class ModelUnusableError(UserError):
    """A run that is intact and cannot be served."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source} cannot be served: {reason}")


class ReloadError(UserError):
    """Models that could not be loaded; what served before goes on."""

    def __init__(self, causes: dict[str, str]) -> None:
        super().__init__("; ".join(f"'{name}': {why}" for name, why in causes.items()))


class OutsideRootsError(UserError):
    """A path that a client asked for and may not have."""

    def __init__(self, asked: str, roots: Sequence[Path], reason: str) -> None:
        # The client need not learn where on this machine the roots lie.
        names = [str(root) if not root.is_absolute() else root.name for root in roots]
        super().__init__(
            f"'{printable(asked)}' {reason}; it takes a run's directory under"
            f" {' or '.join(names)}, as in {names[-1]}/<date>/<run>"
        )
