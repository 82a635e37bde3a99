"""Formats and compressions: the same rows in every container that people send."""

import bz2
import datetime
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow
import pyarrow.feather
import pyarrow.parquet

from benchmarks.odd_files.making import OddFile, Rows, plain

EPOCH = datetime.date(1970, 1, 1)


def compressions(folder: Path) -> Iterator[OddFile]:
    """Yield compressed files, named truly and falsely."""
    for name, compress in (
        ("gz", gzip.compress),
        ("bz2", bz2.compress),
        ("xz", lzma.compress),
        ("zst", _zstandard),
        ("zip", _zipped),
    ):
        rows = plain(f"csv.{name}")
        yield rows.file(folder / f"table.csv.{name}", compress(rows.csv().encode()))

    rows = plain("gzip without its ending")
    yield rows.file(folder / "gzip_inside.csv", gzip.compress(rows.csv().encode()))

    rows = plain("no compression in spite of .gz")
    yield rows.file(folder / "not_compressed.csv.gz", rows.csv())

    rows = plain("cp932, semicolons and zip at once")
    rows.category("地域", ("東", "西")).answer()
    content = _zipped(rows.csv(";").encode("cp932"))
    yield rows.file(folder / "many_at_once.zip", content)


def _zstandard(content: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


def _zipped(content: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("table.csv", (2024, 3, 21, 0, 0, 0)), content)
    return sink.getvalue()


def formats(folder: Path) -> Iterator[OddFile]:
    """Yield the same rows in other formats than CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = plain("parquet")
    pyarrow.parquet.write_table(_arrow(rows), folder / "table.parquet")
    yield rows.file(folder / "table.parquet", None)

    rows = plain("a directory of parquet parts")
    table = _arrow(rows)
    (folder / "parts").mkdir(exist_ok=True)
    for part in range(3):
        path = folder / "parts" / f"part-{part:05}.parquet"
        pyarrow.parquet.write_table(table.slice(100 * part, 100), path)
    (folder / "parts" / "_SUCCESS").write_bytes(b"")
    yield rows.file(folder / "parts", None)

    rows = plain("parquet with an index")
    table = _arrow(rows).append_column(
        "__index_level_0__", pyarrow.array(range(1_000, 1_000 + rows.n))
    )
    pandas = {"index_columns": ["__index_level_0__"], "columns": [], "column_indexes": []}
    table = table.replace_schema_metadata({b"pandas": json.dumps(pandas).encode()})
    pyarrow.parquet.write_table(table, folder / "index.parquet")
    yield rows.file(folder / "index.parquet", None)

    rows = plain("feather")
    pyarrow.feather.write_feather(_arrow(rows), str(folder / "table.feather"))
    yield rows.file(folder / "table.feather", None)

    for ending in ("jsonl", "ndjson"):
        rows = plain(f"JSON lines, .{ending}")
        lines = "".join(json.dumps(each) + "\n" for each in _arrow(rows).to_pylist())
        yield rows.file(folder / f"table.{ending}", lines)

    rows = plain("JSON lines with missing keys")
    records = _arrow(rows).to_pylist()
    for record in records[::7]:
        del record["x2"]
    numbers = [record.get("x2") for record in records]
    rows.add("x2", rows.texts["x2"], numbers, "number").answer()
    lines = "".join(json.dumps(record) + "\n" for record in records)
    yield rows.file(folder / "missing_keys.jsonl", lines)

    rows = plain("xlsx")
    yield rows.file(folder / "table.xlsx", workbook([_typed(rows)]))

    rows = plain("xlsx with a title and a second sheet")
    title: list[list[Any]] = [["Customers of 2024"], []]
    content = workbook([title + _typed(rows), [["nothing", "here"]]])
    yield rows.file(folder / "title.xlsx", content)

    rows = Rows("xlsx with dates")
    days = [19_000 + int(100 * value) for value in rows.signal]
    dates = [EPOCH + datetime.timedelta(days=day) for day in days]
    rows.add("when", list(map(str, dates)), [86_400.0 * day for day in days], "date")
    rows.number("x2").answer()
    lines_of_cells = _typed(rows)
    for line, date in zip(lines_of_cells[1:], dates, strict=True):
        line[0] = date
    yield rows.file(folder / "dates.xlsx", workbook([lines_of_cells]))

    rows = plain("ARFF")
    yield rows.file(folder / "table.arff", _arff(rows))

    rows = plain("upper case ending")
    yield rows.file(folder / "TABLE.CSV", rows.csv())

    rows = plain("an ending that means nothing")
    yield rows.file(folder / "table.dat", rows.csv())

    rows = plain("spaces and Japanese in the path")
    yield rows.file(folder / "顧客 データ (2024)" / "表 1.csv", rows.csv())

    rows = plain("equals sign and comma in the path")
    yield rows.file(folder / "year=2024" / "a,b.csv", rows.csv())

    rows = plain("standard input")
    yield rows.file(folder / "piped.csv", rows.csv(), is_piped=True)


def types_of_parquet(folder: Path) -> Iterator[OddFile]:
    """Yield Parquet files with the types that databases and pandas write."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = plain("parquet: booleans with gaps, whole numbers with gaps")
    flags = [None if row % 9 == 0 else bool(rows.is_positive[row]) for row in range(rows.n)]
    counts = [None if row % 7 == 0 else row % 50 for row in range(rows.n)]
    values = [None if flag is None else str(flag) for flag in flags]
    rows.add("flag", [str(flag) for flag in flags], values, "category")
    numbers = [None if count is None else float(count) for count in counts]
    rows.add("count", [str(count) for count in counts], numbers, "number").answer()
    given = {"flag": pyarrow.array(flags), "count": pyarrow.array(counts)}
    yield _parquet(rows, folder / "gaps.parquet", given)

    rows = plain("parquet: decimals and a dictionary")
    prices = [Decimal(f"{100 + 10 * value:.2f}") for value in rows.signal]
    rows.add("price", list(map(str, prices)), list(map(float, prices)), "number").answer()
    given = {
        "price": pyarrow.array(prices, pyarrow.decimal128(12, 2)),
        "c": pyarrow.array(rows.texts["c"]).dictionary_encode(),
    }
    yield _parquet(rows, folder / "decimals.parquet", given)

    rows = Rows("parquet: dates and times with a zone").number("x2")
    days = [19_000 + int(100 * value) for value in rows.signal]
    seconds = [86_400.0 * day for day in days]
    rows.add("day", list(map(str, days)), seconds, "date")
    rows.add("at", list(map(str, days)), [s + 3_600.0 for s in seconds], "date").answer()
    micros = [int(1e6 * (s + 3_600)) for s in seconds]
    given = {
        "day": pyarrow.array([EPOCH + datetime.timedelta(days=day) for day in days]),
        "at": pyarrow.array(micros, pyarrow.timestamp("us", tz="Asia/Tokyo")),
    }
    yield _parquet(rows, folder / "zones.parquet", given)

    rows = plain("parquet: 300 different uint64")
    ids = [18_000_000_000_000_000_000 + 97 * row for row in range(rows.n)]
    rows.add("id", list(map(str, ids)), None, ("left out", "category")).answer()
    yield _parquet(rows, folder / "uint64.parquet", {"id": pyarrow.array(ids, pyarrow.uint64())})

    rows = plain("parquet: a column of lists")
    rows.add("tags", [""] * rows.n, None, "left out").answer()
    given = {"tags": pyarrow.array([["a", "b"][: row % 3] for row in range(rows.n)])}
    yield _parquet(rows, folder / "lists.parquet", given)

    rows = Rows("parquet: numbers stored as text")
    rows.number("x1", rows.signal).number("x2").category("c").answer()
    given = {name: pyarrow.array(rows.texts[name]) for name in ("x1", "x2")}
    yield _parquet(rows, folder / "numbers_as_text.parquet", given)

    rows = plain("parquet: a boolean target", labels=("False", "True"))
    given = {"y": pyarrow.array([bool(positive) for positive in rows.is_positive])}
    yield _parquet(rows, folder / "boolean_target.parquet", given)

    rows = plain("parquet: a column of nulls")
    rows.add("empty", [""] * rows.n, None, "left out").answer()
    yield _parquet(rows, folder / "nulls.parquet", {"empty": pyarrow.nulls(rows.n)})


def _parquet(rows: Rows, path: Path, given: dict[str, Any]) -> OddFile:
    arrays = {name: given.get(name) for name in rows.texts}
    plain_table = _arrow(rows)
    columns = {
        name: plain_table.column(name) if array is None else array for name, array in arrays.items()
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return rows.file(path, None)


def _arrow(rows: Rows) -> Any:
    """Return an Arrow table: numbers where the column is read as numbers, else texts."""
    return pyarrow.table(
        {
            name: list(rows.truth[name].values or texts)
            if name in rows.truth and rows.truth[name].kinds == ("number",)
            else texts
            for name, texts in rows.texts.items()
        }
    )


def _typed(rows: Rows) -> list[list[Any]]:
    table = _arrow(rows)
    return [list(rows.texts), *(list(record.values()) for record in table.to_pylist())]


def _arff(rows: Rows) -> str:
    kinds = {"x1": "numeric", "x2": "REAL", "c": "{red, green, blue}", "y": "{no,yes}"}
    attributes = "".join(f"@attribute {name} {kinds[name]}\n" for name in rows.texts)
    body = "".join(",".join(line) + "\n" for line in rows.lines()[1:])
    return f"% a comment\n@relation 'odd table'\n\n{attributes}\n@data\n{body}"


# --- The least of a workbook that Excel and openpyxl read.

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_EXCEL_EPOCH = datetime.date(1899, 12, 30)


def workbook(sheets: Sequence[Sequence[Sequence[Any]]]) -> bytes:
    """Return a workbook of sheets of rows of numbers, texts, dates and empty cells."""
    numbers = range(1, len(sheets) + 1)
    tabs = "".join(f'<sheet name="Sheet{i}" sheetId="{i}" r:id="rId{i}"/>' for i in numbers)
    links = "".join(
        f'<Relationship Id="rId{i}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in numbers
    )
    parts = "".join(
        f'<Override PartName="/xl/worksheets/sheet{i}.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        for i in numbers
    )
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>{parts}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{tabs}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{links}'
        f'<Relationship Id="rId99" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts>'
        '<fills count="1"><fill><patternFill patternType="none"/></fill></fills>'
        '<borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf/>'
        '<xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>',
    }
    for i, sheet in zip(numbers, sheets, strict=True):
        body = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in sheet)
        content = f'<worksheet xmlns="{_MAIN}"><sheetData>{body}</sheetData></worksheet>'
        files[f"xl/worksheets/sheet{i}.xml"] = content
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2024, 3, 21, 0, 0, 0))
            archive.writestr(info, f'<?xml version="1.0" encoding="UTF-8"?>{content}')
    return sink.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, datetime.date):
        return f'<c s="1"><v>{(value - _EXCEL_EPOCH).days}</v></c>'
    if isinstance(value, int | float):
        return f"<c><v>{value!r}</v></c>"
    return f'<c t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


GROUPS = {
    "compressions": compressions,
    "formats": formats,
    "types of Parquet": types_of_parquet,
}
