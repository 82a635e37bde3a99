"""Notebooks run from the first cell to the last, and show what they should."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: no notebook is run")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: no notebook is run")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: no notebook is run")

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# ipykernel's and jupyter's own.
pytestmark = pytest.mark.filterwarnings("ignore")


def executed(
    notebook: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, beside: Any = None
) -> Any:
    """Run all cells in a kernel of their own; raise where one fails.

    beside : a function that is awaited meanwhile, with the client
    """
    for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    places = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=places)

    async def execute() -> Any:
        others = [] if beside is None else [beside(client)]
        return (await asyncio.gather(client.async_execute(), *others))[0]

    return asyncio.run(execute())


def texts_of(cell: Any) -> str:
    """Return all that a cell shows as text."""
    shown = [output.get("text", "") for output in cell.outputs]
    shown += [output.data.get("text/plain", "") for output in cell.outputs if "data" in output]
    return "\n".join(shown)


def cell_of(source: str) -> Any:
    cell = nbformat.v4.new_code_cell(source)
    return nbformat.v4.new_notebook(cells=[cell])


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(path, as_version=4)
    done = executed(notebook, tmp_path, monkeypatch)
    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert not [each for each in outputs if each.output_type == "error"]
    assert not [each for each in outputs if each.get("name") == "stderr"]
    pages = [each.data["text/html"] for each in outputs if "text/html" in each.get("data", {})]
    headline = "<strong>HistGradientBoostingClassifier on tumours: AUC 0.9"
    assert any(headline in page for page in pages)
    assert (tmp_path / "models" / "tumours").is_dir()


def test_notebooks_are_stored_without_outputs() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            assert not cell.get("outputs"), path
            assert cell.get("execution_count") is None, path


def test_a_search_shows_its_rungs_and_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = cell_of(
        "import tabproof as tp\n"
        "run = tp.train('dataset=wine', 'search=fast', checks='none', evaluation='minimal',"
        " report='none')"
    )
    (cell,) = executed(notebook, tmp_path, monkeypatch).cells
    shown = texts_of(cell)
    assert "candidates" in shown
    assert "best 0.9" in shown or "best 1.0" in shown
    assert "INFO" not in shown
    assert not [output for output in cell.outputs if output.output_type == "stream"]


def test_a_mistake_is_one_line_in_a_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = cell_of("import tabproof as tp\ntp.train(serach='fast')")
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        executed(notebook, tmp_path, monkeypatch)
    (output,) = notebook.cells[0].outputs
    assert output.traceback == ["UnknownKeyError: there is no key 'serach'; did you mean search?"]


@pytest.mark.slow
def test_the_stop_button_keeps_the_best_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupt(client: Any) -> None:
        while len(list(tmp_path.glob("outputs/*/*/search/*.pickle"))) < 2:
            await asyncio.sleep(0.1)
        await client.km.interrupt_kernel()

    notebook = cell_of(
        "import tabproof as tp\n"
        "run = tp.train('dataset=breast_cancer', 'search=full', 'model=random_forest',"
        " 'runtime=serial', checks='none', evaluation='minimal', report='none')\n"
        "run.summary.stopped"
    )
    (cell,) = executed(notebook, tmp_path, monkeypatch, beside=interrupt).cells
    assert cell.outputs[-1].data["text/plain"] == "'Ctrl-C'"
    assert "! Ctrl-C: running fits are finished" in texts_of(cell)
