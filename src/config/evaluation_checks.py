"""What evaluation, data checks and reports cannot be asked for; nothing here reads data."""

from collections.abc import Iterator
from typing import Any

from src.config.schema import TrainConfig
from src.config.search_checks import is_count
from src.errors import InvalidValueError, LanguageNotOfferedError, UserError
from src.evidence import METRICS
from src.wording import LANGUAGES

# With fewer resamples the ends of an interval are a matter of chance.
FEWEST_RESAMPLES = 100


def evaluation_errors(config: TrainConfig) -> Iterator[UserError]:
    """Give what is wrong with `evaluation`, `checks` and `report`."""
    asked, checks = config.evaluation, config.checks
    unknown = [name for name in asked.metrics if name not in METRICS]
    if unknown:
        valid = "names among " + ", ".join(METRICS)
        yield InvalidValueError("evaluation.metrics", unknown, valid)
    if asked.n_bootstrap != 0 and asked.n_bootstrap < FEWEST_RESAMPLES:
        valid = f"0, or {FEWEST_RESAMPLES} and more"
        yield InvalidValueError("evaluation.n_bootstrap", asked.n_bootstrap, valid)
    if len(set(asked.slices)) < len(asked.slices):
        yield InvalidValueError("evaluation.slices", asked.slices, "each column once")
    for key in ("n_permutations", "n_dependences", "n_repeats"):
        value = getattr(asked, key)
        if value != 0 and not is_count(value):
            yield InvalidValueError(f"evaluation.{key}", value, "0 or more")
    if asked.n_splits < 2:
        yield InvalidValueError("evaluation.n_splits", asked.n_splits, "2 or more")
    shares: list[tuple[str, Any, float]] = [
        ("checks.leak_auc", checks.leak_auc, 0.5),
        ("checks.drift_auc", checks.drift_auc, 0.5),
        ("checks.missing_share", checks.missing_share, 0),
        ("checks.minority_share", checks.minority_share, 0),
    ]
    for key, value, least in shares:
        if not least <= value <= 1:
            yield InvalidValueError(key, value, f"from {least} to 1")
    if config.report.language not in LANGUAGES:
        yield LanguageNotOfferedError(config.report.language, LANGUAGES)
