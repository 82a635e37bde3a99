"""What a run has not shown: said in its report and on its model card."""

from collections.abc import Iterator

from src.evaluation.language import Texts
from src.evaluation.report.facts import ReportFacts
from src.evaluation.report.headline import cautions
from src.evaluation.report.numbers import count
from src.evaluation.report.untrusted import in_a_sentence

MOST_NAMED = 8


def limits(facts: ReportFacts, t: Texts) -> Iterator[str]:
    """Say in sentences what the numbers do not tell, the more certain ones first."""
    evidence = facts.evidence
    yield from cautions(facts, t)
    yield t("limits.same_source", n_test=count(evidence.n_test))
    yield t("limits.extrapolation")
    yield t("limits.selection")
    if evidence.slices:
        yield from _small_groups(facts, t)
    else:
        yield t("limits.no_slices")
    if evidence.calibration == "none":
        yield t("limits.not_calibrated")
    if evidence.importances or evidence.dependences:
        yield t("limits.not_causes")
    if facts.findings:
        yield t("limits.findings", n_findings=count(len(facts.findings)))
    elif not facts.is_checked:
        yield t("limits.not_checked")


def _small_groups(facts: ReportFacts, t: Texts) -> Iterator[str]:
    names = [
        f"{in_a_sentence(part.column)} = {in_a_sentence(group.name)}"
        for part in facts.evidence.slices
        for group in part.groups
        if group.is_small
    ]
    if names:
        more = "…" if len(names) > MOST_NAMED else ""
        yield t(
            "limits.small_groups",
            n_groups=count(len(names)),
            names="; ".join(names[:MOST_NAMED]) + more,
        )
