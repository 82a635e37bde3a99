"""Errors of this package that a user may meet."""

from typing import Any

from tabproof.errors import UserError


class ScheduleError(UserError):
    """A schedule of rungs that cannot find a best candidate."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"search.schedule: {reason}")


class SpaceError(UserError):
    """A space that no setting can be drawn from."""

    def __init__(self, parameter: str, node: Any, reason: str) -> None:
        super().__init__(f"model.param_space.{parameter}={node} cannot be drawn from: {reason}")
