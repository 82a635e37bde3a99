"""Errors of this package that a user may meet."""

from tabproof.errors import UserError


class ClusterUnreachableError(UserError):
    """A cluster that does not answer or has no workers."""

    template = (
        "the cluster at {address} cannot be used: {reason};"
        " docs/cluster.md explains how to start its scheduler and workers"
    )


class ClusterDiffersError(UserError):
    """A machine of a cluster has another version than this one: its numbers could differ."""

    template = "{place} has {what} {there}, and here is {here}; {remedy}"


class CodeMissingError(UserError):
    """A worker that cannot import this project."""

    template = "{place} cannot import this project ({reason}); {remedy}"


class ClusterLostError(UserError):
    """The scheduler went away while it was needed."""

    exit_code = 1
    template = (
        "the scheduler of the cluster is gone, and with it the work of its workers;"
        " start the cluster and the command again"
    )
