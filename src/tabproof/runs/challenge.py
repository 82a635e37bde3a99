"""Try a run beside the current version of a promoted model: a challenge."""

from pathlib import Path

from tabproof import artifacts
from tabproof.artifacts.challenges import as_percent, read_share
from tabproof.errors import MissingValueError, UserError
from tabproof.runs.promote import changing, check_columns, complete, elsewhere_than, me
from tabproof.runs.refresh import rewrite_page
from tabproof.text import is_printable

MAX_STICKY = 200


class ChallengeOptionsError(UserError):
    """Options of a challenge that exclude each other."""

    template = "{problem}; {remedy}"


def challenge(
    run: str | None,
    *,
    name: str | None,
    share: str | None,
    canary: bool,
    sticky: str | None,
    end: bool,
    force: bool,
    who: str | None,
    why: str,
    outputs: Path,
    models: Path,
) -> str:
    """Verify a run, copy it into the registry, and make it the challenger of the current version.

    name: None takes that of the dataset. share: of the requests, such as `5%`; None means all of
    them for a shadow, and is refused for a canary. sticky: the column whose cell decides, for a
    canary. end: end the challenge of the model `name`, or `run`. force: even if the current
    version has other columns or labels.
    """
    if end:
        return _end(name or run, who=who, why=why, outputs=outputs, models=models)
    if run is None:
        raise MissingValueError("RUN", "latest")
    if sticky is not None and not canary:
        problem = "--sticky decides which model answers, and a shadow never answers"
        raise ChallengeOptionsError(problem, "add --canary, or leave it out")
    if sticky is not None and not (0 < len(sticky) <= MAX_STICKY and is_printable(sticky)):
        raise ChallengeOptionsError("--sticky names no column", "give the name of one")
    if share is None and canary:
        raise MissingValueError("--share", "5%")
    part = 1.0 if share is None else read_share(share)
    with changing(models) as registry:
        path = complete(artifacts.find_run(run, outputs))
        model = artifacts.read_predictions(path).summary.model_name if name is None else name
        before = registry.challenge_of(model)
        begun = registry.challenge(
            path,
            model,
            who or me(),
            why,
            kind="canary" if canary else "shadow",
            share=part,
            sticky=sticky,
            check=lambda current: (
                None if force else check_columns(path, current, model, "a challenger")
            ),
        )
    rewrite_page(outputs, models)
    elsewhere = elsewhere_than(models)
    lines = [f"challenger  {model} {begun.version}, from {path}", f"champion    {begun.champion}"]
    if canary:
        lines.append(f"canary      answers {as_percent(part)} of requests")
        lines += [f"sticky      by the cell of {sticky}"] if sticky is not None else []
    else:
        lines.append(f"shadow      scores {as_percent(part)} of requests, in the background")
    lines += [f"ended       the challenge by {before.version} ({before.words})"] if before else []
    lines += [f"why         {why}"] if why else []
    return "\n".join(
        [
            *lines,
            "serve it    POST /reload, or API_WATCH_SECONDS",
            f"end it      python -m src.runs challenge {model} --end{elsewhere}",
            f"look        python -m src.runs history {model}{elsewhere}",
        ]
    )


def _end(name: str | None, *, who: str | None, why: str, outputs: Path, models: Path) -> str:
    if name is None:
        raise MissingValueError("--name", "adult")
    with changing(models) as registry:
        ended = registry.end_challenge(name, who or me(), why)
    rewrite_page(outputs, models)
    return (
        f"ended     {name}: the challenge by {ended.version} ({ended.words})\n"
        f"current   {ended.champion}\n"
        f"look      python -m src.runs history {name}{elsewhere_than(models)}"
    )
