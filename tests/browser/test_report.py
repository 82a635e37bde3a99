"""report.html in a browser: nothing is fetched, nothing overflows, all can be read."""

import re
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

from tabproof.evaluation_result import Estimate, Finding, Importance
from tabproof.report import ReportFacts, render_report
from tests.browser.looking import CUT, OUTLINE, STACKED, STICKING_OUT, looking
from tests.conftest import QUICK, train
from tests.report.making import ODD_NAMES, ensemble_of, evidence_of, facts_of, slice_of, summary_of

pytestmark = pytest.mark.browser

WIDTHS = (375, 1440)
SCHEMES = ("light", "dark")


def odd() -> ReportFacts:
    evidence = evidence_of(
        ODD_NAMES[:2],
        slices=(slice_of(ODD_NAMES[2], 2, ODD_NAMES), slice_of(ODD_NAMES[4])),
        importances=[Importance(name, Estimate(0.1, 0.05, 0.15)) for name in ODD_NAMES],
        findings=[Finding("leak", name, ODD_NAMES) for name in ODD_NAMES],
    )
    summary = summary_of(dataset=ODD_NAMES[4] + ODD_NAMES[0])
    estimator = ensemble_of(*range(len(ODD_NAMES)))
    named = {"target": ODD_NAMES[4], "files": ODD_NAMES, "estimator": estimator}
    return facts_of(evidence, summary=summary, **named)


MADE_UP: dict[str, tuple[Callable[[], ReportFacts], str]] = {
    "all-sections": (facts_of, "ja"),
    "odd-names": (odd, "en"),
}
WHOLE = [f"{group}=default" for group in QUICK]
REAL = {
    "breast-cancer": [*WHOLE, "dataset=breast_cancer"],
    "slices-ja": [
        *("dataset=file", "dataset.target=label", "dataset.pos_label=c1", *WHOLE),
        *("evaluation.slices=[job]", "report.language=ja", "threshold=max_f1"),
    ],
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[] if name == "all-sections" else pytest.mark.slow)
        for name in (*MADE_UP, "wine", *REAL)
    ],
)
def page(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    make_csv: Callable[..., Path],
) -> Path:
    """Return pages with everything in them, and those that runs wrote."""
    name = request.param
    if name == "wine":
        run: Path = request.getfixturevalue("run")
        return run / "report.html"
    directory = tmp_path_factory.mktemp("pages") / name
    if name in REAL:
        data = [f"dataset.path={make_csv(400)}"] if "dataset=file" in REAL[name] else []
        done = train(*REAL[name], *data, f"hydra.run.dir={directory}")
        assert done.returncode == 0, done.stderr
        return directory / "report.html"
    make, language = MADE_UP[name]
    directory.mkdir()
    path = directory / "report.html"
    path.write_text(render_report(make(), language), encoding="utf-8")
    return path


# The other pairs are slow tests.
BY_DEFAULT = {(min(WIDTHS), "light"), (max(WIDTHS), "dark")}


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(*pair, marks=[] if pair in BY_DEFAULT else pytest.mark.slow)
        for pair in product(WIDTHS, SCHEMES)
    ],
)
def test_a_page_can_be_read(chromium: Any, page: Path, width: int, scheme: str) -> None:
    with looking(chromium, page, width=width, scheme=scheme) as look:
        assert look.complaints == []
        assert [url for url in look.requests if not url.startswith("data:")] == [page.as_uri()]
        assert look.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        assert look.page.evaluate(STICKING_OUT) == []
        look.page.evaluate("document.querySelectorAll('details').forEach((e) => e.open = true)")
        assert look.too_faint() == []
        look.keep(f"{page.parent.name}-{width}-{scheme}")


def test_on_a_narrow_screen_rows_of_tables_stack(chromium: Any, page: Path) -> None:
    open_all = "document.querySelectorAll('details').forEach((e) => e.open = true)"
    roles = []
    for width in (min(WIDTHS), 768, max(WIDTHS)):
        with looking(chromium, page, width=width) as look:
            # Scripts unpack what their panels show.
            look.page.locator("[data-needs][hidden]").first.wait_for(state="detached")
            look.page.evaluate(open_all)
            roles.append(look.roles())
            if width < max(WIDTHS):
                assert look.page.evaluate(CUT) == []
                labels = look.page.evaluate(STACKED)
                assert labels["n"] > 20
                assert labels["bare"] == 0
    # A table stays one for those who hear it.
    assert roles[0] == roles[1] == roles[2]
    assert roles[0]["columnheader"] > 3


def test_a_page_has_an_outline(chromium: Any, page: Path) -> None:
    with looking(chromium, page) as look:
        outline = look.page.evaluate(OUTLINE)
    levels = outline["headings"]
    assert levels.count(1) == 1 == levels[0]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(outline["ids"]) == len(set(outline["ids"]))
    rest = {name: outline[name] for name in ("broken", "unnamed", "untitled", "unscoped")}
    assert rest == {"broken": [], "unnamed": 0, "untitled": 0, "unscoped": 0}
    # The page has panels and values on hover: its scripts are all in it.
    assert outline["fetched"] == 0


def test_a_page_is_printed_whole_and_on_white(chromium: Any, page: Path) -> None:
    with looking(chromium, page, scheme="dark") as look:
        printed = look.page.pdf(format="A4", print_background=True)
        look.page.emulate_media(media="print")
        assert look.page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)"
        )
        # What is folded away on the screen is paper's only chance.
        assert look.page.evaluate("document.querySelector('details pre').checkVisibility()")
    assert printed.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 40


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_check_of_contrast_sees_what_is_faint(
    chromium: Any, tmp_path: Path, scheme: str
) -> None:
    text = render_report(facts_of(), "en").replace("--soft: #57606b", "--soft: #a0a0a0")
    path = tmp_path / "faint.html"
    path.write_text(text.replace("--soft: #a8b0bb", "--soft: #606060"), encoding="utf-8")
    with looking(chromium, path, scheme=scheme) as look:
        assert len(look.too_faint()) > 10
