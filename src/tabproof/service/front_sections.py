"""The sections of the page at `/`, each made from the facts of one model."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from tabproof import web
from tabproof.service.answers import ColumnInfo, Measured, ModelFacts, SchemaInfo
from tabproof.service.examples import LANGUAGES, row_of
from tabproof.service.markup import Child, Markup, fill, h, join, name_of

# Maximum columns, categories and labels in the page; the schema has the rest.
MAX_COLUMNS, MAX_CATEGORIES, MAX_LABELS = 60, 8, 6
# Stands for the address within an example: it cannot be printed, so no text there holds it.
PLACE = "\ufdd0"
# Metrics that are drawn, with the value that chance gets.
CHANCE = {"roc_auc": 0.5}
# Of the metrics that are shown.
LOWER_IS_BETTER = {"log_loss"}


class Texts:
    """The texts of the page in one language: `t("predicts", target=name_of(target))`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = web.read_texts(language, "front", "metric")

    def __call__(self, key: str, /, **values: str) -> Markup:
        """Return a text with values in its {places}, which may be elements."""
        return fill(self._texts[f"front.{key}"], **values)

    def metric(self, name: str) -> Markup:
        """Return the name of a metric, and whether lower is better."""
        title = join(self._texts[f"metric.{name}"])
        return self("lower", metric=title) if name in LOWER_IS_BETTER else title


def section(name: str, t: Texts, *children: Child, needs_script: bool = False) -> Markup:
    """Return a section with its heading; needs_script: hidden until the script shows it."""
    title = h("h2", t(f"section_{name}"), id=f"{name}-title")
    return h(
        "section", title, *children, id=name, aria_labelledby=f"{name}-title",
        hidden=needs_script, data_needs="front" if needs_script else None,
    )  # fmt: skip


def count(number: int) -> str:
    """Write a whole number with commas."""
    return f"{number:,}"


def between(mark: str, children: Iterable[Markup]) -> Markup:
    """Return elements with a text between them."""
    return Markup(join(mark).join(children))


def predicts(facts: ModelFacts, t: Texts) -> Markup:
    """Return a sentence about the prediction of a model."""
    shown = [t("quoted", text=name_of(label, 40)) for label in facts.labels[:MAX_LABELS]]
    labels = between(t("or"), shown)
    if len(facts.labels) > MAX_LABELS:
        labels = join(between(", ", shown), t("more_labels", n=count(len(facts.labels))))
    return t("predicts", target=name_of(facts.target, 60), labels=labels)


def since(facts: ModelFacts, t: Texts) -> Markup:
    """Return why a model is served, and since when."""
    when = ""
    if facts.since is not None:
        shown = datetime.fromisoformat(facts.since).isoformat(" ", "minutes")
        when = h("time", shown, datetime=facts.since)
    return t(f"reason_{facts.reason_kind}", when=when)


# --- Quality


def quality(facts: ModelFacts, n_columns: int, t: Texts) -> Markup:
    """Return the metrics with their intervals, the main one large."""
    words = [h("p", predicts(facts, t))]
    if facts.threshold is None:
        words.append(h("p", t("most_probable")))
    else:
        label, threshold = name_of(facts.labels[-1], 40), f"{facts.threshold:.4g}"
        words.append(h("p", t("rule", label=label, threshold=threshold)))
    if facts.metrics:
        words.append(h("p", t("measured_on", n_test=count(facts.n_test)), class_="soft"))
    else:
        words.append(h("p", t("not_measured"), class_="soft"))
    score = None
    if facts.metrics:
        score = _score(*next(iter(facts.metrics.items())), t)
    sizes = {
        "n_train": facts.n_train,
        "n_test": facts.n_test,
        "n_columns": n_columns,
        "n_labels": len(facts.labels),
    }
    tiles = [h("div", h("dt", t(key)), h("dd", count(size))) for key, size in sizes.items()]
    return section(
        "quality",
        t,
        h("div", score, h("div", *words, class_="words"), class_="hero"),
        h("dl", *tiles, class_="tiles"),
        _metrics_table(facts, t) if len(facts.metrics) > 1 else None,
    )


def _score(name: str, metric: Measured, t: Texts) -> Markup:
    parts = [
        h("p", t.metric(name), class_="name"),
        h("p", f"{metric.value:#.4g}", class_="value"),
    ]
    if name in CHANCE:
        parts += [
            _scale(metric, CHANCE[name]),
            h("p", h("span", t("chance")), h("span", t("perfect")), class_="ends"),
        ]
    if metric.interval is not None:
        low, high = (f"{end:#.4g}" for end in metric.interval)
        parts.append(h("p", t("interval", low=low, high=high), class_="soft"))
    return h("div", *parts, class_="score")


def _scale(metric: Measured, chance: float) -> Markup:
    """Draw a value and its interval; in attributes, since the policy allows no style there."""

    def place(value: float) -> float:
        return round(300 * min(max((value - chance) / (1 - chance), 0.0), 1.0), 1)

    low, high = map(place, metric.interval or (metric.value, metric.value))
    return h(
        "svg",
        h("rect", class_="rail", x="0", y="4", width="300", height="14", rx="7"),
        h("rect", class_="span", x=str(low), y="4", width=str(max(high - low, 4)), height="14",
          rx="4"),
        h("rect", class_="point", x=str(place(metric.value) - 3), y="0", width="6", height="22",
          rx="3"),
        class_="scale-picture", viewBox="-3 0 306 22", aria_hidden="true",
    )  # fmt: skip


def _metrics_table(facts: ModelFacts, t: Texts) -> Markup:
    rows = []
    for name, metric in facts.metrics.items():
        span = "–"
        if metric.interval is not None:
            low, high = (f"{end:#.4g}" for end in metric.interval)
            span = t("span", low=low, high=high)
        cells = [h("td", each, class_="number") for each in (f"{metric.value:#.4g}", span)]
        rows.append(h("tr", h("th", t.metric(name), scope="row"), *cells))
    heads = [t("metric"), t("value"), t("interval_of")]
    return table("metrics", t("metrics"), heads, rows, numbers=(1, 2), class_="narrow")


def table(
    name: str,
    caption: Child,
    heads: list[Markup],
    rows: list[Markup],
    *,
    numbers: tuple[int, ...] = (),
    class_: str | None = None,
) -> Markup:
    """Return a table that scrolls by itself, by keys too."""
    columns = [
        h("th", head, scope="col", class_="number" if place in numbers else None)
        for place, head in enumerate(heads)
    ]
    content = h(
        "table",
        h("caption", caption, id=f"{name}-caption"),
        h("thead", h("tr", *columns)),
        h("tbody", *rows),
        class_=class_,
    )
    return h(
        "div", content, class_="scroll", role="region", tabindex="0",
        aria_labelledby=f"{name}-caption",
    )  # fmt: skip


# --- Requests


def requests(info: SchemaInfo, t: Texts, *, address: str, needs_key: bool) -> Markup:
    """Return requests to copy; address: that of the prediction, for programs elsewhere."""
    row = row_of(info.example)
    batch, explain = h("code", "/predict_batch"), h("code", "?explain=true")
    words = [h("p", t("requests_text", batch=batch, explain=explain))]
    if needs_key:
        header, variable = h("code", "X-API-Key"), h("code", "API_KEY")
        words.append(h("p", t("requests_key", header=header, variable=variable)))
    if len(row) < len(info.example):
        sizes = {"n": count(len(row)), "all": count(len(info.example))}
        words.append(h("p", t("requests_cut", **sizes), class_="soft"))
    panels = []
    for name, write in LANGUAGES.items():
        before, after = write(PLACE, row, needs_key=needs_key).split(PLACE)
        code = h("code", before, h("span", address, data_address=True), after)
        # The script makes tabs of these, and adds a button that copies.
        panel = h("div", h("h3", name), h("pre", code, tabindex="0", aria_label=name))
        panels.append(panel)
    tabs = h("div", *panels, class_="examples", data_label=t("languages"))
    return section("requests", t, *words, tabs, h("p", t("answer"), class_="soft"))


def columns(facts: ModelFacts, info: SchemaInfo, t: Texts) -> Markup:
    """Return the columns of a row with their values in training."""
    rows = [
        h(
            "tr",
            h("th", name_of(column.name, 60), scope="row"),
            h("td", t(f"kind_{column.kind}"), class_="kind-of"),
            h("td", _values(column, t)),
        )
        for column in info.columns[:MAX_COLUMNS]
    ]
    more = None
    if len(info.columns) > MAX_COLUMNS:
        schema = h("a", t("schema"), href=facts.links["schema"])
        more = h("p", t("columns_more", n=count(len(info.columns) - MAX_COLUMNS), schema=schema))
    heads = [t("column"), t("column_kind"), t("column_values")]
    return section("columns", t, table("columns", t("columns_text"), heads, rows), more)


def _values(column: ColumnInfo, t: Texts) -> Markup:
    if column.categories is not None:
        shown = between(", ", (name_of(each, 40) for each in column.categories[:MAX_CATEGORIES]))
        n_more = len(column.categories) - MAX_CATEGORIES
        return join(shown, " ", t("more_values", n=count(n_more))) if n_more > 0 else shown
    if column.minimum is None or column.maximum is None:
        return join("–")
    low, high = (
        end if isinstance(end, str) else f"{end:,.10g}" if abs(end) < 1e10 else f"{end:.6g}"
        for end in (column.minimum, column.maximum)
    )
    return t("span", low=low, high=high)


# --- Origin and links


def about(facts: ModelFacts, info: SchemaInfo, t: Texts) -> Markup:
    """Return the run, the data and the models within."""
    rows: dict[str, Child] = {
        "served_because": since(facts, t),
        "run_id": h("code", facts.run_id),
        "source": h("code", name_of(facts.source, 200)),
        "data": name_of(facts.dataset),
        "fingerprint": h("code", facts.data_sha256),
    }
    if len(facts.labels) > 2:
        rows["all_labels"] = between(", ", (name_of(each, 40) for each in facts.labels[:200]))
    if info.estimator is not None and len(info.estimator.members) > 1:
        members = [
            h("li", f"{each.kind} ", h("span", name_of(each.parameters, 200), class_="soft"))
            for each in info.estimator.members
        ]
        rows["members"] = h("ul", *members)
    pairs = [each for key, value in rows.items() for each in (h("dt", t(key)), h("dd", value))]
    return section("about", t, h("dl", *pairs, class_="facts"))


def link_list(links: Mapping[str, str], t: Texts) -> Markup:
    """Return the links, those for people first; links: addresses by their names."""
    order = (
        "report", "model_card", "runs", "monitor", "docs", "schema", "models", "metrics", "health",
        "openapi",
    )  # fmt: skip
    items = [
        h(
            "li",
            h("a", t(f"link_{name}"), href=links[name]),
            h("span", t(f"link_{name}_text"), class_="soft"),
        )
        for name in order
        if name in links
    ]
    return section("links", t, h("ul", *items, class_="links"))
