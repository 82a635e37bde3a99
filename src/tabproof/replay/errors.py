"""Errors that a user may meet here."""

from pathlib import Path

from tabproof.errors import UserError


class NotReplayableError(UserError):
    """A run that is damaged, or lacks what a replay needs."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"nothing to replay: {reason}")


class ReplayDataMissingError(UserError):
    """A run whose file of data is not where it was."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"the run was trained on dataset.path={path}, and there is no such file (from"
            f" {Path.cwd()}); say where a copy lies: python -m src.replay RUN dataset.path=…"
        )


class ReplayOutputError(UserError):
    """A directory that a replay may not write into."""

    def __init__(self, output: Path, reason: str) -> None:
        super().__init__(
            f"--output {output}: {reason}; a replay needs a directory of its own, and without"
            " --output it makes one"
        )


class NoEnvironmentError(UserError):
    """A run that did not record what was installed."""

    def __init__(self, run: Path, name: str) -> None:
        super().__init__(
            f"{run} holds no {name}: it was trained by an earlier version; without --environment"
            " it replays with what is installed here"
        )


class PythonMissingError(UserError):
    """A run of a Python that is not on this machine."""

    def __init__(self, wanted: str, here: str) -> None:
        super().__init__(
            f"--environment needs Python {wanted}, with which the run was trained, and python"
            f"{wanted} is not on the PATH (this is {here}); install it, or leave --environment out"
        )


class EnvironmentFailedError(UserError):
    """An environment that could not be made."""

    exit_code = 1

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(
            f"--environment: {step} failed: {reason or 'it did not say why'}; pip's own"
            " configuration says where packages come from"
        )
