"""The page of the service in a browser: its form predicts what /predict predicts, and no more."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tabproof.artifacts import Registry
from tabproof.errors import printable
from tests.browser.looking import OUTLINE, STICKING_OUT, TOO_FAINT, Look
from tests.browser.test_docs_page import HOSTILE, make_hostile
from tests.service.conftest import promoted, table_run
from tests.service.serving import TOKEN, Server

__all__ = ["promoted", "table_run"]  # fixtures

pytestmark = pytest.mark.browser

KEY = "a-key-of-sixteen-letters"
# What the browser refused because of a policy.
WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.refused.push(event.violatedDirective);
});
"""
# The large number of the form.
NUMBER = "#what-if .wi-number"


class FrontLook(Look):
    """The front page, whose form shows a prediction when it is ready."""

    def wait_for_prediction(self) -> None:
        self.page.locator(NUMBER, has_text="%").wait_for()


@contextmanager
def looking(
    browser: Any,
    server: Server,
    path: str = "/",
    *,
    width: int = 1440,
    scheme: str = "light",
    language: str = "en",
    **context: Any,
) -> Iterator[FrontLook]:
    """Open a page of the service as a reader would."""
    options = {"viewport": {"width": width, "height": 6000}, "color_scheme": scheme}
    made = browser.new_context(**options, locale=language, **context)
    page = made.new_page()
    look = FrontLook(page)
    page.add_init_script(WATCH)
    page.goto(f"http://127.0.0.1:{server.port}{path}")
    yield look
    made.close()


@pytest.fixture(scope="module")
def server(promoted: Path) -> Iterator[Server]:
    with Server(promoted, default_model="table") as started:
        yield started


def as_percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def test_the_form_shows_what_predict_answers(chromium: Any, server: Server) -> None:
    with looking(chromium, server) as look:
        look.wait_for_prediction()
        example = server.get("/schema").json["example"]
        answer = server.post("/predict?explain=true", {"features": example}).json
        assert look.page.locator(NUMBER).inner_text() == as_percent(answer["pred_proba"])
        look.page.get_by_label("job", exact=True).select_option("smith")
        look.page.get_by_label("income", exact=True).fill("3")
        changed = {**example, "job": "smith", "income": 3}
        answer = server.post("/predict?explain=true", {"features": changed}).json
        look.page.locator(NUMBER, has_text=as_percent(answer["pred_proba"])).wait_for()
        assert f"Predicted: {answer['label']}" in look.page.locator("#what-if").inner_text()
        sent = [url for url in look.requests if "predict" in url]
        assert set(sent) == {f"http://127.0.0.1:{server.port}/models/table/predict?explain=true"}
        assert not look.complaints
        assert look.page.evaluate("window.refused") == []


def test_another_model_is_requested_under_its_name(chromium: Any, server: Server) -> None:
    with looking(chromium, server, "/?model=wine") as look:
        look.wait_for_prediction()
        assert look.page.locator("h1").inner_text() == "wine"
        assert any("/models/wine/predict" in url for url in look.requests)
        assert "/models/wine/predict'" in look.page.locator("pre").first.inner_text()
        look.page.get_by_role("link", name="table").click()
        look.wait_for_prediction()
        assert look.page.locator("h1").inner_text() == "table"


def test_no_other_host_gets_a_request(chromium: Any, server: Server) -> None:
    with looking(chromium, server) as look:
        look.wait_for_prediction()
        assert {url.split("/")[2] for url in look.requests if url[:5] != "data:"} == {
            f"127.0.0.1:{server.port}"
        }
        assert look.page.evaluate(OUTLINE)["scripts"] == 2
        # The policy holds what the page would not do by itself.
        look.page.evaluate("fetch('http://127.0.0.2:9/').catch(() => 0)")
        look.page.evaluate("document.body.setAttribute('style', 'color: red')")
        look.page.evaluate(
            "() => { const s = document.createElement('script'); s.text = 'window.ran = 1';"
            " document.body.append(s); }"
        )
        assert look.page.evaluate("window.ran") is None
        refused = look.page.evaluate("window.refused")
        assert set(refused) == {"connect-src", "style-src-attr", "script-src-elem"}


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 768, 1440])
def test_the_page_is_readable(
    chromium: Any, server: Server, width: int, scheme: str, language: str
) -> None:
    seen: dict[str, Any] = {"width": width, "scheme": scheme, "language": language}
    with looking(chromium, server, **seen, bypass_csp=True) as look:
        look.wait_for_prediction()
        assert look.page.evaluate("document.documentElement.lang") == language
        assert look.page.evaluate("document.documentElement.scrollWidth") <= width
        assert look.page.evaluate(STICKING_OUT) == []
        faint = look.page.evaluate(TOO_FAINT, 4.5)
        assert (faint["found"], faint["n_seen"] > 50) == ([], True)
        outline = look.page.evaluate(OUTLINE)
        assert outline["headings"][0] == 1
        assert all(b - a <= 1 for a, b in pairwise(outline["headings"]))
        assert len(outline["ids"]) == len(set(outline["ids"]))
        assert not outline["broken"]
        assert not outline["unscoped"]
        look.keep(f"front-{width}-{scheme}-{language}")
        assert look.violations() == []
        assert not look.complaints


@pytest.mark.parametrize("path", ["/", "/?model=nope", "/runs/nope"])
@pytest.mark.parametrize("home", ["a model and a key", "nothing"])
def test_every_state_of_the_page_is_accessible(
    chromium: Any, promoted: Path, tmp_path: Path, home: str, path: str
) -> None:
    where, key = (promoted, KEY) if home != "nothing" else (tmp_path, "")
    login = {"username": "me", "password": TOKEN}
    with (
        Server(where, pages="all", key=key, default_model="table") as server,
        looking(chromium, server, path, bypass_csp=True, http_credentials=login) as look,
    ):
        assert look.page.locator("h1").count() == 1
        assert look.violations() == []


def test_keys_reach_everything(chromium: Any, server: Server) -> None:
    with looking(chromium, server) as look:
        page = look.page
        look.wait_for_prediction()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        tab = page.get_by_role("tab", name="curl")
        tab.focus()
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.textContent") == "Python"
        assert page.get_by_role("tabpanel").inner_text().startswith("import json")
        page.keyboard.press("End")
        assert page.evaluate("document.activeElement.textContent") == "JavaScript"
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.textContent") == "curl"
        assert page.get_by_role("tab", selected=True).count() == 1
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Copy"


def test_an_example_is_copied(chromium: Any, server: Server) -> None:
    with looking(chromium, server, permissions=["clipboard-read", "clipboard-write"]) as look:
        look.wait_for_prediction()
        look.page.get_by_role("tab", name="JavaScript").click()
        look.page.get_by_role("button", name="Copy").click()
        look.page.get_by_role("button", name="Copied").wait_for()
        copied = look.page.evaluate("navigator.clipboard.readText()")
        assert copied == look.page.locator("pre:visible").inner_text()
        # The text runs in this very page, whose policy allows it to ask the service.
        printed = look.page.evaluate(f"(async () => {{ {copied} return await 1; }})()")
        assert printed == 1


def test_a_key_is_typed_and_kept_in_memory(chromium: Any, promoted: Path) -> None:
    with (
        Server(promoted, key=KEY, default_model="table", docs="false") as server,
        looking(chromium, server) as look,
    ):
        look.page.get_by_text("type the API key above first").first.wait_for()
        # Nothing is sent without a key.
        assert not [url for url in look.requests if "predict" in url]
        field = look.page.get_by_label("API key")
        field.fill("wrong")
        with look.page.expect_response("**/predict**") as refused:
            field.press("Enter")
        assert refused.value.status == 401
        look.page.get_by_text("the key is wrong").first.wait_for()
        field.fill(KEY)
        field.blur()
        look.wait_for_prediction()
        stored = "[document.cookie, localStorage.length, sessionStorage.length]"
        assert look.page.evaluate(stored) == ["", 0, 0]
        assert not [url for url in look.requests if KEY in url]
        look.page.reload()
        assert look.page.get_by_label("API key").input_value() == ""
        assert not [text for text in look.complaints if "401" not in text]


def test_without_scripts_the_page_is_complete(chromium: Any, server: Server) -> None:
    with looking(chromium, server, java_script_enabled=False) as look:
        text = look.page.locator("body").inner_text()
        for part in ("How good it is", "curl", "Python", "JavaScript", "/models/table/predict"):
            assert part in text
        assert look.page.locator("#try").is_hidden()
        assert "What if" not in text
        assert look.page.locator("button").count() == 0


def test_without_a_model_the_page_has_no_form(chromium: Any, tmp_path: Path) -> None:
    with Server(tmp_path) as server, looking(chromium, server) as look:
        assert look.page.locator("h1").inner_text() == "No model is served"
        assert "runs promote latest" in look.page.locator("main").inner_text()
        assert look.page.locator("#what-if").count() == 0
        assert not look.complaints


def test_a_service_that_has_stopped_is_reported(chromium: Any, promoted: Path) -> None:
    with Server(promoted, default_model="table") as server, looking(chromium, server) as look:
        look.wait_for_prediction()
        server.process.send_signal(9)
        server.process.wait(30)
        look.page.get_by_label("income", exact=True).fill("4")
        look.page.get_by_text("the service could not be reached").first.wait_for()


@pytest.mark.slow
def test_names_are_only_text(
    chromium: Any, table_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("hostile")
    registry = Registry(home / "models")
    for shift in range(0, len(HOSTILE), 5):
        run = make_hostile(table_run, home / f"run{shift}", shift)
        registry.promote(run, f"m{shift}", "me", "")
    with Server(home) as server:
        for shift in range(0, len(HOSTILE), 5):
            with looking(chromium, server, f"/?model=m{shift}", width=375) as look:
                look.wait_for_prediction()
                assert look.page.evaluate("window.hacked") is None
                assert look.page.locator("img, iframe, object, embed, base, form").count() == 0
                assert not look.complaints
                assert look.page.evaluate("window.refused") == []
                assert look.page.evaluate("document.documentElement.scrollWidth") <= 375
                assert {url.split("/")[2] for url in look.requests if url[:5] != "data:"} == {
                    f"127.0.0.1:{server.port}"
                }
                shown = " ".join(look.page.locator("#columns").inner_text().split())
                for column in server.get(f"/models/m{shift}/schema").json["columns"]:
                    assert " ".join(printable(column["name"], 60).split()) in shown
