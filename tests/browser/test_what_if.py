"""The panels of report.html in a browser: what a reader changes is what the model answers."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tabproof.service.served_model import ServedModel, load_model
from tests.browser.looking import STICKING_OUT, Look, looking
from tests.conftest import made_once, train
from tests.report.panels import PLANS, WHOLE, train_on_every_kind

pytestmark = pytest.mark.browser

NUMBER, LABEL = "#what_if .wi-number", "#what_if .wi-label"
# Everything that must stay where it is while numbers change: not bars, ticks and texts in a line.
BOXES = """
(root) => [...document.querySelectorAll(`${root} *`)]
  .filter((e) => e.checkVisibility())
  .filter((e) => !/^(BDI|SPAN|B|OPTION|BUTTON|LABEL)$/.test(e.tagName))
  .map((e) => [e, e.getBoundingClientRect()])
  .map(([e, b]) => [e.tagName, e.className, b.x, b.y, b.width, b.height].join(" "))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(path: Path) -> None:
        options = ("report.plots=true", "threshold=cost", "evaluation.n_permutations=2")
        train_on_every_kind(path, *options, "evaluation.slices=[__proto__]")

    return made_once(tmp_path_factory, "what_if_page", make)


@pytest.fixture(scope="module")
def model(run: Path) -> ServedModel:
    return load_model(run, name="model", source="test")


@contextmanager
def open_form(browser: Any, run: Path, **options: Any) -> Iterator[Look]:
    with looking(browser, run / "report.html", **options) as look:
        look.page.locator(NUMBER).wait_for()
        yield look
        assert look.complaints == []
        assert [url for url in look.requests if not url.startswith("data:")] == [
            (run / "report.html").as_uri()
        ]


def field(look: Look, name: str) -> Any:
    return look.page.locator(".wi-field").filter(has=look.page.locator(f"label[title='{name}']"))


def in_the_form(look: Look) -> dict[str, Any]:
    """Return the row that the form shows, as it would be sent to the service."""
    found: dict[str, Any] = {}
    for each in look.page.locator("#what_if .wi-field").all():
        name = each.locator(".wi-name label").get_attribute("title")
        box = each.locator(".wi-missing input")
        if each.locator("select").count():
            text = each.locator("select").evaluate("(e) => e.options[e.selectedIndex].text")
            whole = next((plan for plan in PLANS if plan[:20] == text[:20]), text)
            found[name] = None if text == "(missing)" else whole
        elif box.is_checked():
            found[name] = None
        else:
            value = each.locator("input:not([type=range], [type=checkbox]), textarea").input_value()
            is_number = "wi-of-number" in (each.get_attribute("class") or "")
            found[name] = float(value) if is_number else value
    return found


def written(share: float) -> str:
    if 0 < share < 0.0005:
        return "<0.1%"
    return ">99.9%" if 0.9995 < share < 1 else f"{100 * share:.1f}%"


def assert_the_service_agrees(look: Look, model: ServedModel) -> Any:
    answer = model.predict_row(in_the_form(look), strict=False, explain=True)
    assert look.page.inner_text(NUMBER) == written(answer.pred_proba)
    assert answer.label in look.page.inner_text(LABEL)
    assert answer.explanation
    sizes = sorted(map(abs, answer.explanation.contributions.values()), reverse=True)
    shown = look.page.locator("#what_if .wi-reasons .wi-value").all_inner_texts()
    numbers = [abs(float(text.replace("\u2212", "-"))) for text in shown]
    np.testing.assert_allclose(numbers, sizes[: len(numbers)], atol=0.00501)
    warned = look.page.locator("#what_if .wi-warnings li").count()
    assert warned == len(answer.warnings)
    return answer


def test_a_slider_moved_by_keys_changes_the_prediction(
    chromium: Any, run: Path, model: ServedModel
) -> None:
    with open_form(chromium, run) as look:
        assert_the_service_agrees(look, model)
        before = look.page.inner_text(NUMBER)
        slider = field(look, "amount").locator(".wi-slider")
        slider.focus()
        seen = set()
        for key in ("End", "Home", "PageUp", "ArrowRight", "ArrowRight"):
            look.page.keyboard.press(key)
            seen.add(assert_the_service_agrees(look, model).pred_proba)
        assert len(seen) > 2
        assert "wi-changed" in (field(look, "amount").get_attribute("class") or "")
        look.page.get_by_role("button", name="Reset all").click()
        assert look.page.inner_text(NUMBER) == before
        assert look.page.locator(".wi-changed").count() == 0


def test_every_kind_of_field_is_read(chromium: Any, run: Path, model: ServedModel) -> None:
    with open_form(chromium, run) as look:
        field(look, "since").locator("input[type=date]").fill("2023-06-01")
        field(look, "at").locator("input[type=datetime-local]").fill("2024-02-03T10:20:30")
        field(look, "remarks").locator("textarea").fill("late late 苦情 <b>")
        field(look, "town").locator("input[type=text]").fill("town 17")
        field(look, "amount").locator("input[type=text]").fill("12.25")
        field(look, "__proto__").locator("input[type=text]").fill("7")
        look.page.locator(".wi-of-category select").select_option(index=1)
        row = in_the_form(look)
        assert row["since"] == "2023-06-01"
        assert row["amount"] == 12.25
        assert_the_service_agrees(look, model)


def test_cells_may_be_missing_unseen_or_out_of_range(
    chromium: Any, run: Path, model: ServedModel
) -> None:
    with open_form(chromium, run) as look:
        for box in look.page.locator("#what_if .wi-missing input").all():
            box.check()
        plans = look.page.locator(".wi-of-category select")
        plans.select_option("(missing)")
        assert set(in_the_form(look).values()) == {None}
        assert_the_service_agrees(look, model)
        field(look, "town").locator("input[type=text]").fill("nowhere <i>")
        field(look, "amount").locator("input[type=text]").fill("99999999")
        plans.select_option(index=len(PLANS))
        answer = assert_the_service_agrees(look, model)
        kinds = sorted(each.kind for each in answer.warnings)
        assert kinds == ["out_of_range", "unseen_category", "unseen_category"]
        assert look.page.locator(".wi-warned").count() == 3
        field(look, "amount").locator("input[type=text]").fill("many")
        assert "not a number" in field(look, "amount").inner_text()
        field(look, "amount").locator("input[type=text]").fill("")
        # A cell that is no longer missing gets its last value back.
        box = field(look, "since").locator(".wi-missing input")
        box.uncheck()
        assert in_the_form(look)["since"]


def test_other_rows_can_be_chosen_with_their_true_label(
    chromium: Any, run: Path, model: ServedModel
) -> None:
    with open_form(chromium, run) as look:
        rows = look.page.locator("#what_if .wi-chooser select")
        texts = rows.locator("option").all_inner_texts()
        assert 15 <= len(texts) <= 20
        for place in (0, 7, len(texts) - 1):
            rows.select_option(index=place)
            answer = assert_the_service_agrees(look, model)
            assert written(answer.pred_proba) in texts[place]
            truth = look.page.inner_text("#what_if .wi-truth").partition(": ")[2]
            assert texts[place].endswith(truth)
        assert rows.locator("optgroup").count() >= 3


def test_nothing_moves_while_numbers_change(chromium: Any, run: Path) -> None:
    for width in (375, 1440):
        with open_form(chromium, run, width=width) as look:
            for root, slider in (
                ("#what_if", field(look, "amount").locator(".wi-slider")),
                ("#threshold", look.page.locator("#threshold .wi-slider")),
            ):
                slider.focus()
                look.page.keyboard.press("ArrowRight")
                before = look.page.evaluate(BOXES, root)
                for key in ("End", "Home", "PageUp", "PageUp"):
                    look.page.keyboard.press(key)
                    assert look.page.evaluate(BOXES, root) == before, (root, key, width)


def test_the_threshold_of_the_run_has_the_numbers_of_its_evaluation(
    chromium: Any, run: Path
) -> None:
    evidence = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["evidence"]
    at_run = evidence["decision"]["threshold"]
    with open_form(chromium, run) as look:
        rates = look.page.locator("#threshold .th-rates tbody tr")
        shown = dict(row.locator("th, .th-now").all_inner_texts() for row in rates.all())
        assert shown["Accuracy"] == f"{evidence['metrics']['accuracy']['value']:.3f}"
        assert shown["F1"] == f"{evidence['metrics']['f1']['value']:.3f}"
        before = look.page.inner_text("#threshold .th-rates")
        (groups,) = evidence["slices"]
        for group, row in zip(
            groups["groups"], look.page.locator("#threshold .th-groups tbody tr").all(), strict=True
        ):
            assert f"{group['shares'][1]['value']:.3f}" in row.inner_text()
        n_rows = 0
        presets = look.page.locator("#threshold .th-presets button")
        assert presets.count() == 5
        for button in presets.all():
            button.click()
            assert button.get_attribute("aria-pressed") == "true"
            counts = look.page.locator("#threshold .th-count").all_inner_texts()
            n_rows = sum(int(text.replace(",", "")) for text in counts)
            assert n_rows == evidence["n_test"]
        look.page.locator("#threshold-exact").fill("2")
        look.page.locator("#threshold-exact").fill("0")
        assert "100.0%" in look.page.inner_text("#threshold .th-confusion")
        presets.first.click()
        assert look.page.inner_text("#threshold .th-rates") == before
        assert f"{at_run:.4g}" in presets.first.inner_text()


@pytest.mark.parametrize("width", [375, 768])
def test_where_rows_stack_each_number_of_a_threshold_has_its_label(
    chromium: Any, run: Path, width: int
) -> None:
    with open_form(chromium, run, width=width) as look:
        # A bar shows the number beside it.
        labels = look.page.locator("#threshold tbody td:not(.th-drawn):not(:empty)").evaluate_all(
            "(cells) => cells.map((cell) => getComputedStyle(cell, '::before').content)"
        )
        assert len(labels) > 20
        assert all(re.search(r"\w", label.replace("none", "")) for label in labels)
        assert sum("predicted <no>" in label for label in labels) == 2
        assert not look.page.locator("#threshold .scroll").evaluate_all(
            "(frames) => frames.some((frame) => frame.scrollWidth > frame.clientWidth + 1)"
        )


def test_values_of_a_plot_are_shown_by_pointer_and_by_keys(chromium: Any, run: Path) -> None:
    with open_form(chromium, run) as look:
        tip = look.page.locator(".hover-tip")
        plots = look.page.locator("svg.plot")
        assert plots.count() >= 6
        for plot in plots.all():
            plot.focus()
            look.page.keyboard.press("ArrowRight")
            assert re.search(r"\d", tip.inner_text())
            status = look.page.locator("p.unseen[role=status]").text_content()
            assert status
            look.page.keyboard.press("Escape")
            assert not tip.is_visible()
        look.page.evaluate("scrollTo(0, 0)")
        box = plots.first.bounding_box()
        look.page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
        assert "AUC" in tip.inner_text()
        mark, shown = (
            look.page.locator(each).bounding_box() for each in (".hover-ring", ".hover-tip")
        )
        assert abs(mark["x"] - shown["x"]) < 500
        look.page.mouse.move(1, 1)
        assert not tip.is_visible()


def test_axe_finds_no_fault(chromium: Any, run: Path) -> None:
    for scheme in ("light", "dark"):
        context = chromium.new_context(bypass_csp=True, color_scheme=scheme)
        page = context.new_page()
        page.goto((run / "report.html").as_uri())
        page.locator(NUMBER).wait_for()
        faults = Look(page).violations()
        context.close()
        assert faults == []


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (375, "light"),
        pytest.param(768, "dark", marks=pytest.mark.slow),
        pytest.param(1440, "light", marks=pytest.mark.slow),
        pytest.param(375, "dark", marks=pytest.mark.slow),
        (1440, "dark"),
    ],
)
def test_the_panels_can_be_read(chromium: Any, run: Path, width: int, scheme: str) -> None:
    with open_form(chromium, run, width=width, scheme=scheme) as look:
        assert look.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        assert look.page.evaluate(STICKING_OUT) == []
        field(look, "amount").locator("input[type=text]").fill("1e9")
        assert look.too_faint() == []
        look.keep(f"what-if-{width}-{scheme}")


def test_without_scripts_the_page_has_no_panels(chromium: Any, run: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((run / "report.html").as_uri())
    assert page.locator("section:visible").count() > 8
    assert not page.locator("#what_if").is_visible()
    assert not page.locator("#threshold").is_visible()
    assert page.locator(".contents li:visible a[href='#what_if']").count() == 0
    assert page.locator("svg.plot:visible").count() >= 6
    context.close()


def test_paper_has_no_controls(chromium: Any, run: Path) -> None:
    with open_form(chromium, run) as look:
        look.page.emulate_media(media="print")
        assert look.page.locator("input:visible, select:visible, button:visible").count() == 0
        # Nor words about them.
        assert look.page.locator("#what_if:visible, #threshold:visible").count() == 0


def test_the_form_is_in_japanese(chromium: Any, tmp_path: Path) -> None:
    train_on_every_kind(tmp_path / "run", "report.language=ja", n_rows=120)
    with open_form(chromium, tmp_path / "run", width=375) as look:
        text = look.page.inner_text("#what_if")
        assert "の確率" in text
        assert "欠損" in text
        assert "{" not in text.replace("{label}", "")
        assert look.page.evaluate(STICKING_OUT) == []
        look.keep("what-if-ja")


def test_of_many_columns_the_most_important_are_shown_and_the_rest_on_request(
    chromium: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 500))
    y = np.where(X[:, 401] + 0.3 * rng.normal(size=160) > 0, "a", "b")
    lines = [",".join([*(f"c{n}" for n in range(500)), "y"])]
    lines += [
        ",".join([*(f"{x:.4f}" for x in row), label]) for row, label in zip(X, y, strict=True)
    ]
    (tmp_path / "wide.csv").write_text("\n".join(lines), encoding="utf-8")
    data = ["dataset=file", f"dataset.path={tmp_path / 'wide.csv'}", "dataset.target=y"]
    done = train(*data, *WHOLE, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    with open_form(chromium, tmp_path / "run") as look:
        fields = look.page.locator("#what_if .wi-field")
        assert fields.count() == 20
        assert fields.first.locator("label").first.get_attribute("title") == "c401"
        look.page.get_by_label("Find a column").fill("c49")
        assert fields.locator("visible=true").count() == 11
        look.page.get_by_label("Find a column").fill("")
        assert fields.count() == 500
        assert look.page.locator(".wi-reasons li").count() == 10
        look.page.get_by_role("button", name="Show all 500").click()
        assert look.page.locator(".wi-reasons li").count() == 500


def test_one_of_twenty_thousand_categories_is_found_by_typing(
    chromium: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    n_rows, n_levels = 42_000, 20_000
    x = rng.normal(size=n_rows)
    lines = ["level,x,y"]
    for row in range(n_rows):
        label = "a" if x[row] + (row % 7) / 7 + rng.normal() > 0.5 else "b"
        lines.append(f"level {row % n_levels:05},{x[row]:.3f},{label}")
    (tmp_path / "levels.csv").write_text("\n".join(lines), encoding="utf-8")
    data = ["dataset=file", f"dataset.path={tmp_path / 'levels.csv'}", "dataset.target=y"]
    types = "+dataset.column_types.level=category"
    done = train(*data, types, *WHOLE, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    model = load_model(tmp_path / "run", name="model", source="test")
    with open_form(chromium, tmp_path / "run") as look:
        box = field(look, "level").locator("input[type=text]")
        box.click()
        box.fill("1999")
        offered = field(look, "level").locator("datalist option")
        assert 10 <= offered.count() <= 100
        assert all("1999" in each.get_attribute("value") for each in offered.all())
        box.fill("level 19990")
        assert_the_service_agrees(look, model)


def test_a_model_without_contributions_has_the_reason(
    chromium: Any, tmp_path: Path, make_csv: Callable[..., Path]
) -> None:
    data = ["dataset=file", f"dataset.path={make_csv(200, 3)}", "dataset.target=label"]
    done = train(*data, *WHOLE, "model=vote", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    model = load_model(tmp_path / "run", name="model", source="test")
    with open_form(chromium, tmp_path / "run") as look:
        answer = model.predict_row(in_the_form(look), strict=False)
        assert look.page.inner_text(NUMBER) == written(answer.pred_proba)
        shares = look.page.locator("#what_if .wi-shares .wi-value").all_inner_texts()
        assert shares == [written(each) for each in answer.probabilities.values()]
        assert "cannot be explained" in look.page.inner_text("#what_if .wi-why")
        # Of three labels there is no threshold.
        assert look.page.locator("#threshold").count() == 0


def test_of_many_labels_the_most_probable_come_first(
    chromium: Any, tmp_path: Path, make_csv: Callable[..., Path]
) -> None:
    data = ["dataset=file", f"dataset.path={make_csv(400, 12)}", "dataset.target=label"]
    options = ["model=logistic_regression", f"hydra.run.dir={tmp_path / 'run'}"]
    done = train(*data, *WHOLE, *options)
    assert done.returncode == 0, done.stderr
    model = load_model(tmp_path / "run", name="model", source="test")
    with open_form(chromium, tmp_path / "run") as look:
        answer = model.predict_row(in_the_form(look), strict=False)
        ranked = sorted(answer.probabilities.items(), key=lambda each: -each[1])
        lines = look.page.locator("#what_if .wi-shares li")
        names = lines.locator(".wi-what").evaluate_all("(all) => all.map((one) => one.title)")
        assert len(names) == 12
        assert names == [label for label, _ in ranked]
        assert lines.locator(".wi-value").all_inner_texts() == [written(p) for _, p in ranked]
