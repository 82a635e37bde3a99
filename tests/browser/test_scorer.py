"""The evaluator of the pages in a browser scores 10,000 rows per model as the scorer does."""

import base64
import gzip
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.web.evaluating import FAST, SLOW, compare, rows_of, write_files

ORIGIN = "http://scorer.test/"
N_ROWS = 10_000
# The arrays are packed as a page holds them.
SCORE = """
async () => {
  const { scoreRows } = await import("/tests/web/scoring.js");
  const { unpack } = await import("/src/tabproof/report/web/shared/unpack.js");
  const read = async (name) => (await fetch(`/files/${name}.json`)).json();
  const arrays = await unpack(await (await fetch("/files/arrays.txt")).text());
  const files = { spec: await read("spec"), schema: await read("schema"), arrays };
  const scores = new Uint8Array(scoreRows(files, await read("rows")).buffer);
  let text = "";
  for (let i = 0; i < scores.length; i += 30000) {
    text += btoa(String.fromCharCode(...scores.subarray(i, i + 30000)));
  }
  return text;
}
"""


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_rows_are_scored_as_in_python(
    name: str, chromium: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = {**FAST, **SLOW}[name]()
    columns = rows_of(case, N_ROWS)
    write_files(case, columns, tmp_path)
    packed = base64.b64encode(gzip.compress((tmp_path / "arrays").read_bytes()))
    (tmp_path / "arrays.txt").write_bytes(packed)

    def answer(route: Any) -> None:
        path = route.request.url.removeprefix(ORIGIN)
        if path == "":
            route.fulfill(body="<!doctype html><title>scorer</title>", content_type="text/html")
        elif path.startswith("files/"):
            route.fulfill(path=tmp_path / path.removeprefix("files/"))
        else:
            route.fulfill(path=ROOT / path, content_type="text/javascript")

    page = chromium.new_page()
    page.route(f"{ORIGIN}**", answer)
    page.goto(ORIGIN)
    scores = base64.b64decode(page.evaluate(SCORE))
    page.close()
    found = compare(case, columns, scores)
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {found}")
    found.check()
