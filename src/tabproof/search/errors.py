"""Errors of this package that a user may meet."""

from tabproof.errors import UserError


class ScheduleError(UserError):
    """A schedule of rungs that cannot find a best candidate."""

    template = "search.schedule: {reason}"


class SpaceError(UserError):
    """A parameter space from which no value can be drawn."""

    template = "model.param_space.{parameter}={node} cannot be drawn from: {reason}"
