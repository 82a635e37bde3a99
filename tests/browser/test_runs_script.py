"""The page of all runs in a browser, by mouse and by keys."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from tests.browser.runs_pages import N_RUNS, Show, Shown, sample, show
from tests.web.runs_sample import Island, make_runs

__all__ = ["sample", "show"]  # fixtures

pytestmark = pytest.mark.browser


def values(shown: Shown, column: str = "metric") -> list[float]:
    cells = shown.texts(f"tr.run td.{column} .value")
    return [float(cell) for cell in cells]


# --- The table.


def test_the_best_run_of_each_dataset_is_on_top(show: Show, sample: tuple[Island, bytes]) -> None:
    with show() as shown:
        for body in shown.page.locator("tbody").all():
            dataset = body.locator(".heading").inner_text()
            ours = [run for run in sample[0]["runs"] if run["dataset"] == dataset]
            best = max(run["metrics"][0] or 0 for run in ours)
            first = body.locator("tr").nth(1)
            assert first.locator(".badge.best").count() == 1
            assert float(first.locator(".value").first.inner_text()) == pytest.approx(
                best, abs=5e-4
            )
        assert shown.page.locator("#static").count() == 0


def test_a_heading_sorts_by_keys_and_the_third_time_resets_the_order(show: Show) -> None:
    with show() as shown:
        shown.page.get_by_role("button", name="By time").click()
        head = shown.page.locator("th[data-column=roc_auc]")
        head.locator("button").focus()
        for order, sign in [("descending", -1), ("ascending", 1)]:
            shown.page.keyboard.press("Enter")
            assert head.get_attribute("aria-sort") == order
            found = values(shown)[::3]
            assert found == sorted(found, key=lambda value: sign * value)
            # The focus stays where it was.
            assert shown.page.evaluate("document.activeElement.closest('th').dataset.column")
        shown.page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") is None
        times = shown.texts("tr.run time")
        assert times == sorted(times, reverse=True)


def test_a_filter_applies_while_it_is_typed(show: Show, sample: tuple[Island, bytes]) -> None:
    runs = sample[0]["runs"]
    with show() as shown:
        shown.page.locator("#filter").press_sequentially("dataset:wine roc_auc>=0.9 extra")
        n = sum(
            r["dataset"] == "wine" and (r["metrics"][0] or 0) >= 0.9 and "extra" in r["model"]
            for r in runs
        )
        assert 0 < n < 30
        assert shown.texts(".count") == [f"{n} of {N_RUNS} runs"]
        assert shown.texts(".heading") == ["wine"]
        shown.page.wait_for_url("**#filter=dataset*")
        shown.filter("state:failed")
        assert set(shown.texts("tr.run td.state .badge")) == {"failed"}
        assert "no rows are left" in shown.texts("td.state .cause")[0]
        shown.filter("nosuch>3")
        assert "no column “nosuch”" in shown.texts(".problem")[0]
        assert shown.page.locator("#filter").get_attribute("aria-invalid") == "true"
        assert shown.texts(".count") == [f"All {N_RUNS} runs"]
        shown.filter("zzz")
        assert shown.texts("tr.empty") == ["No run matches the filter."]


def test_a_sweep_opens_by_keys(show: Show) -> None:
    with show() as shown:
        sweep = shown.page.locator("tr.sweep").first
        n_jobs = int(sweep.locator(".badge.plain").inner_text().split()[0])
        sweep.locator(".toggle").focus()
        shown.page.keyboard.press("Space")
        assert shown.page.locator("tr.job").count() == n_jobs
        assert shown.page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
        shown.page.keyboard.press("Space")
        assert shown.page.locator("tr.job").count() == 0


def test_more_rows_are_shown_on_request(show: Show) -> None:
    island, blob = make_runs(600)
    with show(island, blob, part="#view=time") as shown:
        before = shown.page.locator("tr.run").count()
        assert 0 < before <= 200
        shown.page.locator("tr.more button").focus()
        shown.page.keyboard.press("Enter")
        now = shown.page.locator("tr.run").count()
        assert now > before
        # The focus is on the first of the new rows.
        focused = "document.activeElement.closest('tr')"
        rows = "[...document.querySelectorAll('tr.run')]"
        assert shown.page.evaluate(f"{rows}.indexOf({focused})") == before


def test_columns_are_chosen_by_keys(show: Show) -> None:
    with show() as shown:
        button = shown.page.get_by_role("button", name="Columns")
        button.focus()
        shown.page.keyboard.press("Enter")
        shown.page.keyboard.type("max_depth")
        box = shown.page.locator(".menu input[type=checkbox]")
        assert box.count() == 1
        box.focus()
        shown.page.keyboard.press("Space")
        assert "best.clf__max_depth" in shown.texts("thead th")
        shown.page.keyboard.press("Escape")
        assert not shown.page.locator(".menu").is_visible()
        assert shown.page.evaluate("document.activeElement.textContent") == "Columns"
        assert "column=best.clf__max_depth" in shown.parameters()


def test_details_have_files_and_the_command(show: Show, sample: tuple[Island, bytes]) -> None:
    with show(permissions=["clipboard-read", "clipboard-write"]) as shown:
        row = shown.page.locator("tr.run").first
        run = next(
            each for each in sample[0]["runs"] if each["path"] == row.get_attribute("data-path")
        )
        row.locator(".toggle").click()
        links = shown.page.locator("tr.details .file-links a")
        hrefs = [link.get_attribute("href") for link in links.all()]
        assert hrefs == [f"{run['href']}/{file}" for file in run["files"]]
        shown.page.locator("tr.details .copy").click()
        shown.page.locator(".copy.done").wait_for()
        assert shown.page.evaluate("navigator.clipboard.readText()") == run["command"]


def test_a_command_is_copied_without_a_clipboard(show: Show) -> None:
    with show() as shown:
        shown.page.evaluate("""() => {
            Object.defineProperty(navigator, "clipboard", {value: undefined});
            document.addEventListener("copy", () => { window.copied = String(getSelection()); });
        }""")
        shown.page.locator("tr.run .toggle").first.click()
        shown.page.locator("tr.details .copy").click()
        shown.page.locator(".copy.done").wait_for()
        assert "python -m src.train" in shown.page.evaluate("window.copied")
        assert shown.page.evaluate("document.activeElement.classList.contains('copy')")


def test_a_served_run_has_a_badge(show: Show) -> None:
    with show() as shown:
        shown.filter("served:yes")
        assert shown.texts("tr.run th .badge.fine") == ["served: wine 3"]


def test_a_challenger_has_a_badge_and_is_found(show: Show) -> None:
    with show() as shown:
        shown.filter("promoted:canary")
        (badge,) = shown.texts("tr.run th .badge.plain")
        assert badge.startswith("challenger: ")
        assert badge.endswith(" canary 5%")


# --- The address.


def test_a_view_is_in_the_address_and_in_the_history(show: Show) -> None:
    with show(part="#filter=dataset%3Awine&sort=seconds&column=model&column=seconds") as shown:
        assert shown.page.input_value("#filter") == "dataset:wine"
        assert shown.texts("thead th[data-column]") == ["Model", "Seconds"]
        shown.tick(1)
        path = shown.page.locator("tr.ticked").get_attribute("data-path")
        shown.page.locator("#tab-plot").click()
        address = shown.page.url
        shown.page.go_back()
        assert shown.page.locator("#panel-runs").is_visible()
        shown.page.go_back()
        assert shown.page.locator(".dock").is_hidden()
        shown.page.goto("about:blank")
        shown.requests.clear()
        shown.page.goto(address)
        assert shown.page.locator("#panel-plot").is_visible()
        shown.page.locator("#tab-runs").click()
        assert shown.page.locator("tr.ticked").get_attribute("data-path") == path


# --- Side by side.


def test_runs_are_compared_as_python_compares_them(
    show: Show, sample: tuple[Island, bytes]
) -> None:
    from tabproof.evaluation.comparison import compare_in_all

    island, blob = sample
    group = island["groups"][0]
    first, second = (run for run in island["runs"] if run["group"] == 0 and run["curve"] in (0, 1))
    part = f"#tab=compare&run={first['href']}&run={second['href']}"
    n_rows, block = group["n_rows"], 0
    start, length = group["bytes"]
    # A group is its true labels and blocks of equal size.
    head = -(-n_rows // 8) * 8
    block = (length - head) // group["n_curves"]
    y = np.frombuffer(blob, "u1", n_rows, start).astype(int)
    probas = []
    for run in (second, first):
        offset = start + head + run["curve"] * block
        codes = np.frombuffer(blob, "u1", n_rows, offset)
        ranks = np.frombuffer(blob, "<u2", n_rows, offset + head).astype(float)
        # Any probabilities of this order that predict the same codes.
        positive = np.where(codes == 1, 0.5, 0.0) + (ranks + 1) / (2 * ranks.max() + 4)
        probas.append(np.column_stack([1 - positive, positive]))
    auc, accuracy = compare_in_all(y, *probas)
    with show(part=part) as shown:
        shown.page.locator(".verdict").first.wait_for()
        deltas = [float(t.replace("−", "-")) for t in shown.texts(".delta")]
        assert deltas == pytest.approx([auc.difference, accuracy.difference], abs=5.1e-5)
        words = ["better" if t.difference > 0 else "worse" for t in (auc, accuracy)]
        noise = [t.p_value >= 0.05 for t in (auc, accuracy)]
        expected = [
            "no more than noise" if n else word for n, word in zip(noise, words, strict=True)
        ]
        assert shown.texts(".verdict .badge") == expected
        shown.wait_for_drawings(".overlays", 3)
        # The other way round the sign changes.
        shown.page.locator(".card input[type=radio]").nth(1).check()
        shown.page.wait_for_url("**reference=*")
        shown.page.locator(".verdict").first.wait_for()
        turned = [float(t.replace("−", "-")) for t in shown.texts(".delta")]
        assert turned == pytest.approx([-delta for delta in deltas])


def test_only_differences_are_shown(show: Show) -> None:
    with show() as shown:
        shown.filter("dataset:adult")
        shown.tick(0, 1)
        shown.page.locator(".dock .primary").click()
        shown.page.locator(".tests > *").first.wait_for()
        keys = shown.texts("table.side tbody th code")
        assert keys
        assert "config.search.n_splits" not in keys
        for row in shown.page.locator("table.side tbody tr:has(th code)").all():
            one, other = row.locator("td").all_inner_texts()
            assert one != other


def test_runs_without_curves_have_the_command(show: Show, sample: tuple[Island, bytes]) -> None:
    runs = [run for run in sample[0]["runs"] if run["group"] == 0 and run["curve"] is None]
    part = "#tab=compare" + "".join(f"&run={run['href']}" for run in runs[:2])
    with show(part=part) as shown:
        shown.page.locator(".verdicts .command").wait_for()
        paths = [f"outputs/{run['path']}" for run in runs[:2]]
        assert shown.texts(".verdicts code") == [" ".join(["python -m src.runs compare", *paths])]


def test_runs_on_other_rows_are_not_tested(show: Show, sample: tuple[Island, bytes]) -> None:
    runs = [next(run for run in sample[0]["runs"] if run["group"] == code) for code in (0, 1)]
    part = "#tab=compare" + "".join(f"&run={run['href']}" for run in runs)
    with show(part=part) as shown:
        shown.page.locator(".verdicts td").wait_for()
        assert "other held-out rows" in shown.texts(".verdicts td")[0]


def test_a_run_without_results_is_not_compared(show: Show, sample: tuple[Island, bytes]) -> None:
    known = next(run for run in sample[0]["runs"] if run["group"] == 0)
    empty = next(run for run in sample[0]["runs"] if run["differs"] is None)
    part = f"#tab=compare&run={known['href']}&run={empty['href']}"
    with show(part=part) as shown:
        shown.page.locator(".verdicts td").wait_for()
        assert "no results" in shown.texts(".verdicts td")[0]
        assert "held-out rows" not in " ".join(shown.texts(".tests p"))
        assert any("nothing is known" in text for text in shown.texts(".note"))
        assert shown.page.locator("table.side tbody th code").count() == 0


@pytest.mark.parametrize("curves", ["", "%%%", "AAAA"])
def test_damaged_curves_leave_the_rest_of_the_page(show: Show, curves: str) -> None:
    with show(curves=curves) as shown:
        shown.filter("dataset:adult when>=2026-11-30")
        shown.tick(0, 1)
        shown.open_tab("compare")
        assert shown.page.locator(".tests .note").count() == 1
        assert shown.page.locator("tr:has-text('ROC-AUC') .estimate").count() == 2


# --- Plots.


def test_points_are_reached_by_keys_and_ticked(show: Show) -> None:
    with show() as shown:
        shown.filter("dataset:adult")
        shown.open_tab("plot")
        plot = shown.page.locator(".pointable").first
        plot.focus()
        shown.page.keyboard.press("End")
        text = plot.get_attribute("aria-valuetext")
        assert "adult" in text
        shown.page.keyboard.press("Enter")
        assert plot.get_attribute("aria-valuetext") == f"{text}, chosen"
        assert shown.page.locator("#tab-compare .pill").inner_text() == "1"
        # And on to the next, from where one was.
        shown.page.keyboard.press("ArrowLeft")
        shown.page.keyboard.press("Enter")
        assert shown.page.locator("#tab-compare .pill").inner_text() == "2"
        assert shown.page.locator(".dock").is_visible()


def test_a_point_is_ticked_by_a_click(show: Show) -> None:
    with show() as shown:
        shown.open_tab("plot")
        shown.page.locator(".pointable circle").nth(5).hover()
        assert shown.page.locator(".tip").first.is_visible()
        shown.page.locator(".pointable circle").nth(5).click()
        assert "run=" in shown.parameters()


def test_any_column_is_an_axis(show: Show) -> None:
    with show() as shown:
        shown.open_tab("plot")
        for axis, column in [("x", "best.clf__max_depth"), ("y", "seconds"), ("x", "model")]:
            shown.page.locator(f"select[data-key='axis {axis}']").select_option(column)
            assert f"{axis}={column}" in shown.parameters()
        shown.wait_for_drawings(".drawing", 2)


# --- CSV.


def test_the_csv_has_the_shown_runs_and_no_formula(show: Show) -> None:
    island, blob = make_runs(60, hostile=True)
    with show(island, blob) as shown:
        with shown.page.expect_download() as download:
            shown.page.get_by_role("button", name="Save as CSV").click()
        text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["path"] for row in rows] == [run["path"] for run in island["runs"]]
    choices = [run["choices"] for run in island["runs"]]
    assert [row["choices"].removeprefix("'") for row in rows] == choices
    assert not any(value.startswith("=") for row in rows for value in row.values())
    numbers = [run["metrics"][0] for run in island["runs"]]
    assert [float(row["roc_auc"]) if row["roc_auc"] else None for row in rows] == numbers
