"""The page at `/`: its head, its state, and its Content-Security-Policy.

It is complete without its script, which adds the form of the model and buttons that copy.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from tabproof import web
from tabproof.errors import printable
from tabproof.scorer import NotExplainableError
from tabproof.service import front_sections as sections
from tabproof.service.answers import Index, ModelFacts
from tabproof.service.front_sections import Texts
from tabproof.service.markup import Markup, h, name_of
from tabproof.service.model_store import Served

# The files that are read here; the image of the service has them too.
DATA_FILES = ("../report/style.css", "front.css")
SCRIPT = "front"
# Of the page's own texts, those that its script needs.
SCRIPT_TEXTS = ("front.key_missing", "front.key_wrong", "front.failed")
MAX_MODELS = 100
MAKE_MONITOR = 'python -m src.monitor check --page "$API_PREDICTION_LOG/monitor.html"'


@dataclass(frozen=True)
class Page:
    """The facts of a page.

    name: of the requested model; None for the default one. base: the beginning of relative
    addresses. address: that of `/`, for programs on other machines.
    """

    index: Index
    served: Served
    name: str | None
    language: str
    base: str
    address: str
    needs_key: bool
    can_reload: bool

    @property
    def facts(self) -> ModelFacts | None:
        """The facts of the model that is shown."""
        name = self.served.default_name if self.name is None else self.name
        return next((each for each in self.index.models if each.name == name), None)


def render(page: Page) -> tuple[bytes, str]:
    """Return the page and its Content-Security-Policy."""
    facts, t, script = page.facts, Texts(page.language), web.read_script(SCRIPT)
    texts = web.read_texts(page.language, "common", "what_if")
    front = web.read_texts(page.language, "front")
    data: dict[str, object] = {"texts": texts | {key: front[key] for key in SCRIPT_TEXTS}}
    parts, links = {}, page.index.links
    if facts is not None:
        model, path = page.served.models[facts.name], facts.links["predict"]
        info = model.schema_info()
        address = page.address + path.removeprefix(page.base)
        key = page.needs_key
        parts = {
            "quality": sections.quality(facts, len(info.columns), t),
            "try": _try(t, needs_key=key),
            "requests": sections.requests(info, t, address=address, needs_key=key),
            "columns": sections.columns(facts, info, t),
            "about": sections.about(facts, info, t),
        }
        links = links | facts.links
        # As /schema answers: an infinite number is null.
        schema = msgspec.json.decode(msgspec.json.encode(info))
        data |= {key: schema[key] for key in ("columns", "labels", "example")}
        data |= {"predict": path, "unexplained": None}
        try:
            # The form requests contributions at once, so preparing them costs nothing more.
            _ = model.scorer.explainer
        except NotExplainableError as error:
            data["unexplained"] = str(error)
    parts["links"] = sections.link_list(links, t)
    kind = t("kind")
    head = _head_element(kind if facts is None else f"{printable(facts.name, 60)} · {kind}")
    content = h(
        "div",
        h("header", *_head(page, facts, t), class_="head"),
        _contents(parts, t) if len(parts) > 1 else None,
        h("main", *_state(page, facts, t), *parts.values(), id="content"),
        h("footer", h("p", t("footer"))),
        class_="page",
    )
    body = h(
        "body",
        h("a", t("skip"), class_="skip", href="#content"),
        content,
        h("script", Markup(web.as_json(data)), type="application/json", id="front"),
        h("script", Markup(script)),
    )
    policy = web.policy_of(
        [script],
        style_src=web.hash_source(_style()),
        connect_src="'self'",
        frame_ancestors="'none'",
    )
    html = f"<!doctype html>\n{h('html', head, body, lang=page.language)}\n"
    return html.encode(), policy


def render_missing(language: str, front: str, about: str = "runs") -> tuple[bytes, str]:
    """Return a page about what is published, and its policy; front: the address of `/`.

    about: runs or monitor, what the address is for.
    """
    t = Texts(language)
    is_of_runs = about == "runs"
    key = "missing" if is_of_runs else f"{about}_missing"
    title = h("header", h("p", t("kind"), class_="kind"), h("h1", t(key)), class_="head")
    back = h("p", h("a", t("missing_back"), href=front))
    how = None if is_of_runs else h("pre", h("code", MAKE_MONITOR))
    main = h("main", h("p", t(f"{key}_text"), class_="reading"), how, back)
    body = h("body", h("div", title, main, class_="page"))
    policy = web.policy_of([], style_src=web.hash_source(_style()), frame_ancestors="'none'")
    head = _head_element(t(key))
    return f"<!doctype html>\n{h('html', head, body, lang=language)}\n".encode(), policy


def _head_element(title: str) -> Markup:
    return h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("title", title),
        # Without it a browser requests an icon from the server.
        h("link", rel="icon", href="data:,"),
        h("style", Markup(_style())),
    )


@cache
def _style() -> str:
    here = Path(__file__).parent
    own = ((here / name).read_text(encoding="utf-8") for name in DATA_FILES)
    return "\n".join([*own, web.read_style("what_if")])


def _head(page: Page, facts: ModelFacts | None, t: Texts) -> list[Markup]:
    found = [h("p", t("kind"), class_="kind")]
    if facts is None:
        found.append(h("h1", t("nothing") if not page.index.models else t("models")))
    else:
        is_ready = page.index.status == "ready"
        state = "badge fine" if is_ready else "badge"
        found += [
            h("h1", name_of(facts.name)),
            h("p", facts.title, class_="soft") if facts.title else Markup(),
            h(
                "p",
                h("span", t("ready" if is_ready else "not_ready"), class_=state),
                " ",
                h("span", sections.since(facts, t), class_="soft"),
            ),
        ]
    if len(page.index.models) > 1 or (page.index.models and facts is None):
        links = [
            h(
                "li",
                h(
                    "a",
                    name_of(each.name, 40),
                    h("span", f" ({t('default')})") if each.default else None,
                    href=f"{page.base or './'}?{urlencode({'model': each.name})}",
                    aria_current="page" if each is facts else None,
                ),
            )
            for each in page.index.models[:MAX_MODELS]
        ]
        found.append(h("nav", h("ul", *links), class_="contents models", aria_label=t("models")))
    return found


def _contents(parts: dict[str, Markup], t: Texts) -> Markup:
    # The form needs its script.
    links = [
        h(
            "li",
            h("a", t(f"section_{name}"), href=f"#{name}"),
            hidden=name == "try",
            data_needs="front" if name == "try" else None,
        )
        for name in parts
    ]
    return h("nav", h("ul", *links), class_="contents scroll", aria_label=t("contents"))


def _state(page: Page, facts: ModelFacts | None, t: Texts) -> list[Markup]:
    """Return notes on why the service is not ready, and what to do."""
    found = []
    if facts is None and page.name is not None:
        text = t("unknown", name=name_of(page.name)), " "
        found.append(h("p", *text, t("choose") if page.index.models else None, class_="note"))
    if page.index.status == "ready":
        return found
    key = "not_ready_text" if page.index.models else "nothing_text"
    # The reason is in English, as everywhere.
    found.append(
        h("div", h("p", t(key)), h("p", name_of(page.index.detail, 1000), lang="en"), class_="note")
    )
    served = page.served
    if not (served.models or served.failed or served.store or served.unread or served.blocked):
        reload = [t("step_restart")]
        if page.can_reload:
            command = (
                f"curl -X POST '{page.address}reload' -H \"Authorization: Bearer $API_ADMIN_TOKEN\""
            )
            reload = [t("step_reload"), h("pre", h("code", command))]
        steps = [
            h("li", t("step_train"), h("pre", h("code", "python -m src.train"))),
            h("li", t("step_promote"), h("pre", h("code", "python -m src.runs promote latest"))),
            h("li", *reload),
        ]
        found.append(h("section", h("h2", t("steps")), h("ol", *steps)))
    return found


def _try(t: Texts, *, needs_key: bool) -> Markup:
    """Return the place of the form, which its script fills and shows."""
    key = None
    if needs_key:
        field = h(
            "input", type="password", id="key", autocomplete="off", spellcheck="false",
            aria_describedby="key-text",
        )  # fmt: skip
        key = h(
            "form",
            # Browsers warn about a password field without a field for the user name.
            h("input", type="text", value="key", autocomplete="username", hidden=True),
            h("label", t("key"), for_="key"),
            field,
            h("p", t("key_text"), id="key-text", class_="soft"),
            class_="key",
            autocomplete="off",
        )
    form = h("div", id="what-if")
    return sections.section("try", t, h("p", t("try_text")), key, form, needs_script=True)
