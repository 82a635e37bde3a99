"""Challenges: a run that is tried beside the current version of a promoted model.

    models/<name>/challenges.json    all challenges of a name, the oldest first

The last one is in force as long as the pointer is where it was when the challenge began, so a
promotion or a rollback ends it by switching the pointer, in the same step.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from msgspec import Meta

from tabproof.artifacts import files
from tabproof.artifacts.manifest import RunId
from tabproof.errors import InvalidValueError, UserError

CHALLENGES = "challenges.json"
FORMAT = 1

Kind = Literal["shadow", "canary"]
# Of all requests: above 0, up to 1.
Share = Annotated[float, Meta(gt=0, le=1)]


class ChallengesItselfError(UserError):
    """A challenger that is the current version."""

    template = "'{version}' is the current version of '{name}'; a challenger is another run"


class NoChallengeError(UserError):
    """A challenge to end, where there is none."""

    template = "{name}: version {current} has no challenger (python -m src.runs history {name})"


@dataclass(frozen=True)
class Challenge:
    """The beginning or the end of a challenge.

    version: of the challenger. kind: a shadow is scored in the background, a canary answers.
    share: of the requests. sticky: the column whose cell decides which model answers; None: the
    request id does. champion: the version that was current. n_promotions: the entries of the
    history at that moment. when: ISO 8601 with a time zone.
    """

    version: RunId
    run_id: str
    action: Literal["challenge", "end"]
    kind: Kind
    share: Share
    sticky: str | None
    champion: RunId
    n_promotions: int
    who: str
    when: str
    why: str

    @property
    def words(self) -> str:
        """What is done with which requests, such as `canary, 5% of requests`."""
        by = f", by {self.sticky}" if self.sticky is not None else ""
        return f"{self.kind}, {as_percent(self.share)} of requests{by}"


@dataclass(frozen=True)
class _Challenges:
    challenges: list[Challenge]


def parse_challenges(content: bytes) -> list[Challenge]:
    """Parse the file; raise ValueError or NewerFormatError."""
    return files.read_json(content, _Challenges, CHALLENGES, FORMAT).challenges


def challenges_as_bytes(challenges: Sequence[Challenge]) -> bytes:
    """Return the content of the file."""
    content = {"format": FORMAT, "challenges": [asdict(each) for each in challenges]}
    return json.dumps(content, indent=2, ensure_ascii=False).encode()


def in_force(challenges: Sequence[Challenge], versions: Sequence[str]) -> Challenge | None:
    """Return the challenge that is not over; versions: those of the history, the last current."""
    last = challenges[-1] if challenges else None
    if last is None or last.action == "end" or not versions:
        return None
    is_same = last.n_promotions == len(versions) and last.champion == versions[-1]
    return last if is_same else None


def read_share(text: str) -> float:
    """Return a share that is written as `5%` or `0.05`; raise InvalidValueError."""
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise InvalidValueError("--share", text, "a share above 0%, up to 100%, such as 5%")
    return share


def as_percent(share: float) -> str:
    """Return a share such as `5%`."""
    return f"{share * 100:.6g}%"
