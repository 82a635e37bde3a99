"""What the main metric means, in sentences for somebody who has never heard of it."""

from collections.abc import Iterator

from src.evaluation.language import Texts
from src.evaluation.report.facts import ReportFacts
from src.evaluation.report.numbers import cases, count
from src.evaluation.report.untrusted import in_a_sentence
from src.evidence import Estimate

# An interval that is wider does not tell most models apart.
WIDE = 0.05
# Of a label: with fewer rows, each moves its recall by 3 points of 100 or more.
FEW = 30
MOST_NAMED = 5


def meanings(facts: ReportFacts, t: Texts) -> Iterator[str]:
    """Say what the main metric means, and how accuracy stands to always saying the same."""
    name, estimate = facts.main
    if estimate.value is None:
        yield t("headline.undefined", metric=metric_name(name, t))
    elif name == "roc_auc":
        yield _pairs(facts, estimate, t)
    elif name != "accuracy" and f"explained.{name}" in t:
        yield t(f"explained.{name}")
    accuracy = facts.evidence.metrics.get("accuracy", Estimate(None))
    if accuracy.value is not None and any(facts.evidence.n_by_label):
        yield from _against_the_most_frequent(facts, accuracy, t)


def cautions(facts: ReportFacts, t: Texts) -> Iterator[str]:
    """Say why the numbers may mean less than they seem to."""
    evidence = facts.evidence
    _, estimate = facts.main
    n_test = count(evidence.n_test)
    if estimate.value is not None and estimate.interval is None:
        yield t("headline.no_interval", n_test=n_test)
    elif estimate.interval is not None and estimate.interval[1] - estimate.interval[0] > WIDE:
        width = f"{estimate.interval[1] - estimate.interval[0]:.2f}"
        yield t("headline.wide", n_test=n_test, width=width)
    if facts.is_grouped and estimate.interval is not None:
        yield t("headline.grouped")
    few = _labels_with_few_rows(facts, t)
    if few:
        yield t("headline.few", labels=few)
    if facts.summary.get("stopped"):
        yield t("headline.stopped", n_not_tried=count(facts.summary.get("n_not_tried") or 0))


def metric_name(name: str, t: Texts) -> str:
    """Give a metric's name as people write it, or as it is known here."""
    return t(f"metric.{name}") if f"metric.{name}" in t else name


def _labels_with_few_rows(facts: ReportFacts, t: Texts) -> str:
    numbers = zip(facts.evidence.labels, facts.evidence.n_by_label, strict=True)
    few = [
        f"{t('headline.quoted', text=in_a_sentence(label))} ({count(n_rows)})"
        for label, n_rows in numbers
        if n_rows < FEW
    ]
    return ", ".join(few[:MOST_NAMED]) + (", …" if len(few) > MOST_NAMED else "")


def _pairs(facts: ReportFacts, estimate: Estimate, t: Texts) -> str:
    of, numbers = cases(estimate)
    key = "pairs" if facts.is_binary else "pairs_of_each"
    if estimate.interval is None:
        key += "_without_interval"
    labels = [in_a_sentence(label) for label in facts.evidence.labels]
    return t(f"headline.{key}", of=of, negative=labels[0], positive=labels[-1], **numbers)


def _against_the_most_frequent(facts: ReportFacts, accuracy: Estimate, t: Texts) -> Iterator[str]:
    evidence = facts.evidence
    of, numbers = cases(accuracy)
    most = max(evidence.n_by_label)
    share = most / sum(evidence.n_by_label)
    label = in_a_sentence(evidence.labels[list(evidence.n_by_label).index(most)])
    suffix = "_without_interval" if accuracy.interval is None else ""
    yield t(f"headline.accuracy{suffix}", of=of, **numbers)
    key = "base" if accuracy.interval is None else _standing(*accuracy.interval, share)
    yield t(f"headline.{key}", of=of, label=label, base=round(share * of))
    objective = f"decision.objective_{evidence.decision.objective}"
    if evidence.decision.objective != "default" and objective in t:
        yield t("headline.objective", objective=t(objective))


def _standing(low: float, high: float, share: float) -> str:
    if low > share:
        return "base_below"
    return "base_above" if high < share else "base_within"
