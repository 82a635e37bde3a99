"""Files that no honest model can be made of: each must be refused, for a reason that is listed."""

import gzip
import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.odd_files.formats import workbook
from benchmarks.odd_files.making import OddFile, Rows, plain, refused

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


def refusals(folder: Path) -> Iterator[OddFile]:
    """Yield files to refuse."""
    rows = plain("a quantity as target")
    rows.texts["y"] = [f"{value:.3f}" for value in np.exp(rows.signal)]
    yield refused(rows.name, folder / "quantity.csv", rows.csv(), "different|target_bins|quantity")

    rows = plain("300 whole numbers as target")
    rows.texts["y"] = list(map(str, rows.rng.permutation(1_000)[: rows.n]))
    yield refused(rows.name, folder / "numbers.csv", rows.csv(), "different|target_bins|quantity")

    rows = plain("a target that is different in every row")
    rows.texts["y"] = [f"C{row:05}" for row in range(rows.n)]
    yield refused(rows.name, folder / "id_target.csv", rows.csv(), "class|different|row")

    rows = plain("one class only")
    rows.texts["y"] = ["yes"] * rows.n
    yield refused(rows.name, folder / "one_class.csv", rows.csv(), "one class")

    rows = plain("a class of one row beside another")
    rows.texts["y"] = ["yes" if row == 7 else "no" for row in range(rows.n)]
    yield refused(rows.name, folder / "one_row.csv", rows.csv(), "class")

    rows = plain("no target anywhere")
    rows.texts["y"] = [""] * rows.n
    yield refused(rows.name, folder / "no_target.csv", rows.csv(), "target")

    rows = plain("no column of that name")
    content = rows.csv().replace(",y\n", ",Y2\n", 1)
    yield refused(rows.name, folder / "no_column.csv", content, "no column 'y'")

    yield refused("nothing at all", folder / "empty.csv", "", "nothing|empty|no rows")
    yield refused("blank lines only", folder / "blank.csv", "\n\n\n", "nothing|empty|no rows")
    yield refused("a header only", folder / "header.csv", "x1,x2,y\n", "header|no rows")
    yield refused("no file", folder / "none.csv", None, "nothing|no file|not exist|no such")

    # Each cell is a number with three decimals, or one with a mark between thousands.
    rows = Rows("1,234: thousands or decimals")
    numbers = rows.rng.integers(1_001, 99_999, rows.n) // 10 * 10 + rows.rng.integers(1, 10, rows.n)
    rows.texts["amount"] = [f"{int(number):,}" for number in numbers]
    rows.number("x2", None, lambda value: str(round(value))).answer()
    reason = r"amount.*(thousands|decimal)"
    yield refused(rows.name, folder / "ambiguous.csv", rows.csv(";"), reason)

    rows = Rows("1.234: thousands or decimals, beside decimal commas")
    rows.texts["amount"] = [f"{int(number):,}".replace(",", ".") for number in numbers]
    rows.number("x2", None, lambda value: str(value).replace(".", ",")).answer()
    # The file writes decimal commas, so the points can only be marks between thousands.
    made = rows.file(folder / "points.csv", rows.csv(";"), least_auc=None, outcome="either")
    yield replace(made, reason=reason)

    lines = plain("Latin-1 and UTF-8 in one file")
    lines.category("d", ("café", "Zürich")).answer()
    parts = lines.csv().splitlines(keepends=True)
    mixed = "".join(parts[:150]).encode() + "".join(parts[150:]).encode("latin-1")
    yield refused(lines.name, folder / "mixed_encodings.csv", mixed, "encod")

    lines = plain("cp932 and UTF-8 in one file")
    lines.category("d", ("東京", "大阪", "名古屋")).answer()
    parts = lines.csv().splitlines(keepends=True)
    mixed = "".join(parts[:150]).encode() + "".join(parts[150:]).encode("cp932")
    yield refused(lines.name, folder / "mixed_japanese.csv", mixed, "encod")

    rows = Rows("constant columns only")
    rows.texts |= {"a": ["1"] * rows.n, "b": ["x"] * rows.n}
    yield refused(rows.name, folder / "constants.csv", rows.answer().csv(), "learn|value|column")

    rows = Rows("a target and nothing else")
    yield refused(rows.name, folder / "target_only.csv", rows.answer().csv(), "learn|column")

    yield refused("a picture", folder / "picture.csv", PNG, "")
    page = "<!DOCTYPE html>\n<html><body><p>Please log in, then y.</p></body></html>\n"
    yield refused("a web page", folder / "page.csv", page, "")
    packed = gzip.compress(plain("cut gzip").csv().encode())
    yield refused("a gzip file cut short", folder / "cut.csv.gz", packed[: len(packed) // 2], "")
    cut = b"PAR1" + bytes(500)
    yield refused("a Parquet file cut short", folder / "cut.parquet", cut, "")
    yield refused("a pickle", folder / "table.pkl", pickle.dumps({"x": [1], "y": [2]}), "")
    record = json.dumps({"data": {"x": [1, 2], "y": ["a", "b"]}})
    yield refused("a JSON document", folder / "table.json", record, "")
    lines = '{"x": 1, "y": "no"}\n{"x": 2, "y": "no", "x": 3}\n'
    reason = "key 'x' in the record of line 2"
    yield refused("a JSON record with one key twice", folder / "twice.jsonl", lines, reason)
    yield refused("an empty workbook", folder / "empty.xlsx", workbook([[]]), "")


GROUPS = {"to be refused": refusals}
