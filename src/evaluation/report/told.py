"""What the page tells in words and pairs of them: findings, decision, origin, files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from src.evaluation.language import CATALOGUES, Texts
from src.evaluation.report.facts import ReportFacts
from src.evaluation.report.numbers import count, decimal, plain
from src.evaluation.report.untrusted import in_a_sentence, shown
from src.evidence import Finding

MOST_LABELS = 6
# Of a fact in a finding, which may list columns.
MOST_LETTERS = 400
FINDINGS = "findings"


@dataclass(frozen=True)
class ToldFinding:
    """A finding in the page's language, or as it was logged."""

    title: str
    text: str
    columns: Sequence[str]
    is_english: bool


@dataclass(frozen=True)
class File:
    """What lies beside the page."""

    name: str
    link: str
    meaning: str


def labels_in_words(labels: Sequence[str], t: Texts) -> str:
    """List labels, the first few of many."""
    quoted = [t("headline.quoted", text=in_a_sentence(label)) for label in labels[:MOST_LABELS]]
    if len(labels) > MOST_LABELS:
        return ", ".join(quoted) + t("headline.more_labels", n_labels=len(labels))
    return t("headline.or").join(quoted)


def predicts(facts: ReportFacts, t: Texts) -> str:
    """Say what the model tells of a row."""
    labels = labels_in_words(facts.evidence.labels, t)
    if facts.target is None:
        return t("headline.predicts_one_of", labels=labels)
    return t("headline.predicts", target=in_a_sentence(facts.target), labels=labels)


def tiles(facts: ReportFacts) -> list[tuple[str, str]]:
    """Give the run's size, by key of its texts."""
    evidence, summary = facts.evidence, facts.summary
    told = [
        ("rows_learned", count(evidence.n_train)),
        ("rows_held_out", count(evidence.n_test)),
        ("columns", count(facts.n_columns)),
        ("candidates", count(summary["n_candidates"])),
    ]
    if facts.is_checked or facts.findings:
        told.append(("findings", count(len(facts.findings))))
    return told


def findings(facts: ReportFacts, language: str) -> list[ToldFinding]:
    """Word what checks found, where the catalogue knows the check."""
    texts = _texts_of_findings(language)
    return [_told(finding, texts) for finding in facts.findings]


def undefined_folds(facts: ReportFacts, language: str) -> ToldFinding | None:
    """Word that folds of repeated cross-validation leave metrics undefined."""
    finding = facts.finding_of("undefined_folds")
    return None if finding is None else _told(finding, _texts_of_findings(language))


def _texts_of_findings(language: str) -> Texts | None:
    known = (CATALOGUES / f"{FINDINGS}.toml").is_file()
    return Texts(FINDINGS, language) if known else None


def _told(finding: Finding, texts: Texts | None) -> ToldFinding:
    title, text = f"{finding.check}.title", f"{finding.check}.text"
    if texts is not None and title in texts and text in texts:
        values = {key: _value(value) for key, value in finding.facts.items()}
        try:
            return _with_columns(finding, texts(title, **values), texts(text, **values), False)
        except (KeyError, IndexError, ValueError):
            # Of a run of another version: what it logged still stands.
            pass
    name = finding.check.replace("_", " ").capitalize()
    return _with_columns(finding, shown(name), shown(finding.message), True)


def _with_columns(finding: Finding, title: str, text: str, is_english: bool) -> ToldFinding:
    # Most texts name them, some only the first few.
    columns = [column for column in finding.columns if shown(column) not in text]
    return ToldFinding(title, text, columns, is_english)


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value, MOST_LETTERS)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(in_a_sentence, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{in_a_sentence(str(key))} ({each})" for key, each in value.items())
    return value


def decision(facts: ReportFacts, t: Texts) -> list[tuple[str, str]]:
    """Say how a probability becomes a label, by key of its texts."""
    evidence, made = facts.evidence, facts.evidence.decision
    calibration = f"decision.calibration_{evidence.calibration}"
    objective = f"decision.objective_{made.objective}"
    told = [
        ("calibration", t(calibration) if calibration in t else shown(evidence.calibration)),
        ("rule", rule(facts, t)),
        ("chosen_for", t(objective) if objective in t else shown(made.objective)),
    ]
    asked = {"min_recall": made.min_recall, "min_precision": made.min_precision}
    told += [(name, plain(value)) for name, value in asked.items() if value is not None]
    if made.score is not None:
        score = f"score_{made.objective}"
        told.append((score if f"decision.{score}" in t else "score", decimal(made.score)))
    return told


def rule(facts: ReportFacts, t: Texts) -> str:
    """Say which label is predicted."""
    threshold = facts.evidence.decision.threshold
    if not facts.is_binary:
        return t("decision.most_probable")
    label = in_a_sentence(facts.evidence.labels[1])
    if threshold is None or facts.evidence.decision.objective == "default":
        return t("decision.above_half", label=label)
    return t("decision.from_threshold", label=label, threshold=f"{threshold:.4g}")


def learning(facts: ReportFacts, t: Texts) -> str | None:
    """Say whether the learning curve rises at its end, as the run concluded."""
    finding = facts.finding_of("learning_curve")
    if finding is None:
        return None
    found = finding.facts
    key = f"learning.{found.get('end')}"
    if key not in t:
        return None
    numbers = {name: count(found[name]) for name in ("n_before", "n_rows") if name in found}
    if found.get("low") is not None:
        ends = {name: decimal(found[name]) for name in ("gain", "low", "high")}
        change = t("learning.change", **numbers, **ends)
    elif found.get("gain") is not None:
        change = t("learning.change_alone", **numbers, gain=decimal(found["gain"]))
    else:
        change = ""
    left_out = ", ".join(found.get("left_out") or ())
    remark = t("learning.left_out", sizes=left_out) if left_out else ""
    return " ".join(part for part in (t(key), change, remark) if part)


def origin(facts: ReportFacts, t: Texts) -> list[tuple[str, str]]:
    """Say what the numbers stand on, by key of its texts."""
    summary = facts.summary
    told = [("run_id", summary["run_id"]), ("fingerprint", summary["data"]["sha256"])]
    if summary.get("n_rows_without_target"):
        told.append(("without_target", count(summary["n_rows_without_target"])))
    told += [("commit", _commit(summary["git"], t)), ("code", summary["code"])]
    told += [("versions", versions_in_words(summary)), ("platform", _platform(summary))]
    parity = summary.get("parity")
    if parity:
        words = {
            "difference": f"{parity['max_difference']:.0e}" if parity["max_difference"] else "0",
            "n_rows": count(parity["n_rows"]),
        }
        told.append(("parity", t("origin.parity_text", **words)))
    return told


def versions_in_words(summary: Mapping[str, Any]) -> str:
    """List names and versions in one line."""
    return ", ".join(f"{name} {version}" for name, version in summary["versions"].items())


def _commit(git: Mapping[str, Any], t: Texts) -> str:
    commit = git.get("commit")
    if not commit:
        return "–"
    return commit if git.get("clean") else f"{commit} ({t('origin.not_clean')})"


def _platform(summary: Mapping[str, Any]) -> str:
    parts = (summary["platform"].get(name) for name in ("system", "machine", "libc"))
    return ", ".join(str(part) for part in parts if part)


def files(facts: ReportFacts, t: Texts) -> list[File]:
    """Say what lies beside the page."""
    return [_file(name, t) for name in facts.files]


def _file(name: str, t: Texts) -> File:
    key = f"files.{name.rstrip('/').replace('.', '_')}"
    return File(name, f"./{quote(name)}", t(key) if key in t else "")
