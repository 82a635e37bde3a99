"""A group of runs as a section of the page: its words, its table, its pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from src.evaluation.language import Texts
from src.evaluation.report.headline import metric_name
from src.evaluation.report.numbers import count
from src.evaluation.report.untrusted import in_a_sentence
from src.evaluation.side_by_side.facts import Group
from src.evaluation.side_by_side.naming import names_of
from src.evaluation.side_by_side.overlays import MOST_CURVES, Line, draw_overlays
from src.evaluation.side_by_side.rows import Table, make_table
from src.evaluation.side_by_side.standing import Standing, against_the_best

# Of names in a sentence.
MOST_NAMED = 5
# What a test calls its metric is not what pages do.
TESTED = {"AUC": "roc_auc"}


@dataclass(frozen=True)
class Section:
    """best: the name of that run; as_good: of those not worse by more than noise, as a list in
    words; pictures: SVG and what it shows; tested: the metric that is, where one is.
    """

    group: Group
    title: str
    metric: str
    tested: str | None
    best: str
    as_good: str
    sentences: Sequence[str]
    table: Table
    pictures: Sequence[tuple[Markup, str]]
    n_left_out: int


def make_section(group: Group, language: str) -> Section:
    """Test, word and draw a group."""
    t, metrics = Texts("sweep", language), Texts("report", language)
    contenders = group.contenders
    names = names_of([one.choices for one in contenders], [one.run_id for one in contenders])
    names = [in_a_sentence(name) for name in names]
    standings = against_the_best(contenders, group.metric)
    drawn = [n for n, one in enumerate(contenders) if one.hold_out is not None][:MOST_CURVES]
    table = make_table(group, standings, drawn)
    tested = next((each.comparison.metric for each in standings if each is not None), None)
    as_good = [
        name
        for name, each in zip(names, standings, strict=True)
        if each is not None and each.is_noise
    ]
    metric = metric_name(group.metric, metrics)
    return Section(
        group=group,
        title=_title(group, t),
        metric=metric,
        tested=tested and metric_name(TESTED.get(tested, tested), metrics),
        best=names[0],
        as_good=named(as_good, t),
        sentences=[
            *_on_the_rows(group, t),
            _on_the_best(table, names[0], metric, t),
            *_on_the_others(standings, as_good, t),
            *_on_those_not_read(group, t),
        ],
        table=table,
        pictures=_pictures(group, [(n, names[n]) for n in drawn], t),
        n_left_out=group.n_runs - sum(one.n_times for one in contenders),
    )


def _title(group: Group, t: Texts) -> str:
    dataset = in_a_sentence(group.dataset)
    if group.number is None:
        return dataset
    return t("group.numbered", dataset=dataset, number=group.number)


def _on_the_rows(group: Group, t: Texts) -> Iterator[str]:
    if group.hold_out is None:
        yield t("group.unread")
    elif group.n_runs > 1:
        yield t("group.rows", n_rows=count(len(group.hold_out.y)))


def _on_the_best(table: Table, name: str, metric: str, t: Texts) -> str:
    best = table.rows[0]
    words = {"name": name, "metric": metric, "value": best.value}
    if best.ends is None:
        return t("group.best", **words)
    return t("group.best_with_interval", low=best.ends[0], high=best.ends[1], **words)


def _on_the_others(
    standings: Sequence[Standing | None], as_good: Sequence[str], t: Texts
) -> Iterator[str]:
    n_tested = sum(each is not None for each in standings)
    if not n_tested:
        return
    if not as_good:
        yield t("group.all_more", n_tested=count(n_tested))
    elif len(as_good) == n_tested:
        yield t("group.all_noise", n_tested=count(n_tested))
    else:
        yield t(
            "group.some_noise",
            n_tested=count(n_tested),
            n_noise=count(len(as_good)),
            names=named(as_good, t),
        )


def _on_those_not_read(group: Group, t: Texts) -> Iterator[str]:
    n_read = sum(one.hold_out is not None for one in group.contenders)
    n_others = sum(one.has_other_rows for one in group.contenders)
    if 0 < n_read < len(group.contenders) - n_others:
        yield t("group.untested", n_tested=count(n_read))


def named(names: Sequence[str], t: Texts) -> str:
    """List names as far as a sentence bears it."""
    more = ["…"] if len(names) > MOST_NAMED else []
    return t("group.comma").join([*names[:MOST_NAMED], *more])


def _pictures(group: Group, drawn: Sequence[tuple[int, str]], t: Texts) -> list[tuple[Markup, str]]:
    lines = [
        Line(f"{n + 1}  {name}", hold_out)
        for n, name in drawn
        if (hold_out := group.contenders[n].hold_out) is not None
    ]
    if not lines:
        return []
    n_rows = count(len(lines[0].hold_out.y))
    subtitle = t("picture.rows", dataset=in_a_sentence(group.dataset), n_rows=n_rows)
    kind = "two" if lines[0].hold_out.proba.shape[1] == 2 else "more"
    # Our own drawing: its texts are escaped there.
    return [
        (Markup(svg), t(f"{name}.{kind}"))  # noqa: S704
        for name, svg in draw_overlays(lines, subtitle, group.id, t).items()
    ]
