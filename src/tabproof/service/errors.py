"""Errors of this package that a user may meet."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tabproof.errors import UserError, printable


class SettingError(UserError):
    """An environment variable of the service has an invalid value."""

    template = "{variable}={found} is not valid; it takes {valid} (docs/service.md)"


class ModelUnusableError(UserError):
    """A run is intact but cannot be served."""

    template = "{source} cannot be served: {reason}"


class ReloadError(UserError):
    """Models could not be loaded; those served before stay in service."""

    def __init__(self, causes: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"'{name}': {why}" for name, why in causes.items()))


class OutsideRootsError(UserError):
    """A client named a path that it may not read."""

    def __init__(self, asked: str, roots: Sequence[Path], reason: str) -> None:
        # Clients must not learn where the roots are on this machine.
        names = [str(root) if not root.is_absolute() else root.name for root in roots]
        super().__init__(
            f"'{printable(asked)}' {reason}; it takes a run's directory under"
            f" {' or '.join(names)}, as in {names[-1]}/<date>/<run>"
        )
