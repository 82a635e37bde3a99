"""Delimited text: separators, encodings, and what stands around and between the rows."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.odd_files.making import OddFile, Rows, Truth, plain, refused


def separators(folder: Path) -> Iterator[OddFile]:
    """Yield files with every usual separator."""
    for name, ending, separator in (
        ("comma", "csv", ","),
        ("semicolon", "csv", ";"),
        ("tab", "tsv", "\t"),
        ("tab in a txt", "txt", "\t"),
        ("pipe", "csv", "|"),
        ("tab in a csv", "csv", "\t"),
    ):
        rows = plain(name)
        yield rows.file(folder / f"{name}.{ending}", rows.csv(separator))

    rows = plain("spaces")
    lines = ["".join(f"{cell:>12}" for cell in line) for line in rows.lines()]
    yield rows.file(folder / "spaces.txt", "\n".join(lines) + "\n")

    rows = plain("sep= line")
    yield rows.file(folder / "sep.csv", "sep=;\n" + rows.csv(";"))

    # More commas than semicolons: within texts, and as decimal commas.
    rows = Rows("semicolon beside commas")
    rows.number("x1", rows.signal, lambda value: str(value).replace(".", ","))
    rows.category("c", ("red, light", "red, dark, new", "blue, of all, kinds"))
    yield rows.answer().file(folder / "semicolon_commas.csv", rows.csv(";"))

    rows = Rows("quoted decimal commas")
    rows.number("x1", rows.signal, lambda value: str(value).replace(".", ","))
    rows.number("x2", None, lambda value: str(value).replace(".", ",")).answer()
    yield rows.file(folder / "quoted_decimal.csv", rows.csv(quoting=csv.QUOTE_ALL))


def encodings(folder: Path) -> Iterator[OddFile]:
    """Yield files in encodings that Excel and old databases write."""
    japanese, answers = ("東京都", "大阪府", "北海道"), ("いいえ", "はい")
    for encoding in ("utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16", "iso2022_jp"):
        rows = Rows(f"Japanese in {encoding}")
        rows.number("年齢", rows.signal).category("都道府県", japanese)
        rows.answer(answers, "結果")
        content = rows.csv(end="\r\n").encode(encoding)
        yield rows.file(folder / f"japanese_{encoding}.csv", content)

    rows = Rows("Windows' own characters in cp932")
    rows.number("数値①", rows.signal).category("会社", ("㈱髙島", "№５商店", "～ホテル")).answer()
    yield rows.file(folder / "cp932_windows.csv", rows.csv(end="\r\n").encode("cp932"))

    for language, encoding, choices in (
        ("European", "latin-1", ("café", "Zürich", "señor")),
        ("European", "cp1252", ("5 € – “new”", "œuvre", "Žižek", "crème brûlée", "Ångström")),
        ("Polish", "cp1250", ("Kraków", "Łódź", "Gdańsk", "Święta")),
        ("Czech", "cp1250", ("Plzeň", "Dvořák", "Růžena", "České")),
        ("Romanian", "cp1250", ("Bucureşti", "Iaşi", "Constanţa", "Brăila")),
        ("Turkish", "cp1254", ("İstanbul", "Çiğdem", "Işıl", "Muğla")),
        ("Greek", "cp1253", ("Αθήνα", "Θεσσαλονίκη", "Πάτρα", "όχι")),
        ("Russian", "cp1251", ("Москва", "Новосибирск", "да", "нет")),
        ("Russian", "koi8_r", ("Москва", "Новосибирск", "да", "нет")),
        ("Ukrainian", "cp1251", ("Київ", "Львів", "Харків", "Їжакевич")),
    ):
        rows = Rows(f"{language} in {encoding}")
        rows.number("x1", rows.signal).category("c", choices).answer()
        path = folder / f"{language}_{encoding}.csv"
        yield rows.file(path, rows.csv().encode(encoding))

    # `œ` is `ś` in cp1250, and all else is the same: too little to be certain.
    rows = Rows("three words of Windows")
    choices = ("5 € – “new”", "œuvre", "Žižek")
    rows.number("x1", rows.signal).category("c", choices).answer()
    content, reason = rows.csv().encode("cp1252"), "encoding=cp1252"
    path = folder / "three_words.csv"
    yield rows.file(path, content, outcome="either", reason=reason)

    # Read as another encoding these would be other words; the error names it.
    rows = Rows("German of DOS")
    rows.number("x1", rows.signal).category("c", ("Müller", "Jäger", "Größe", "Köln")).answer()
    path, reason = folder / "dos.csv", "encoding=cp850"
    yield refused(rows.name, path, rows.csv().encode("cp850"), reason)

    rows = plain("Unicode text of Excel")
    content = rows.csv("\t", end="\r\n").encode("utf-16")
    yield rows.file(folder / "unicode_text.txt", content)

    # The first bytes that are not ASCII come late: a look at the head finds nothing.
    rows = Rows("late characters in cp932", 3_000)
    rows.number("x1", rows.signal)
    names = ["plain"] * 2_900 + ["備考欄"] * 100
    rows.add("c", names, names, "category").answer()
    yield rows.file(folder / "late_cp932.csv", rows.csv().encode("cp932"))


def around_the_table(folder: Path) -> Iterator[OddFile]:
    """Yield files with lines above and below the table."""
    rows = plain("title above the header")
    title = "Customers of 2024\n\n"
    yield rows.file(folder / "title.csv", title + rows.csv())

    rows = plain("title padded with separators")
    title = "Sales report,,,\nmade on 2024-03-21,,,\n,,,\n"
    yield rows.file(folder / "title_padded.csv", title + rows.csv())

    rows = plain("comment lines")
    yield rows.file(folder / "comments.csv", "# from the database\n# 2024\n" + rows.csv())

    rows = plain("blank lines")
    lines = rows.csv().splitlines(keepends=True)
    lines.insert(100, "\n")
    yield rows.file(folder / "blank_lines.csv", "\n\n" + "".join(lines) + "\n\n")

    rows = plain("footer with a total")
    yield rows.file(folder / "footer_total.csv", rows.csv() + "Total,,,\n")

    rows = plain("footer with a note")
    note = "\nSource: the statistical office\nAll figures in thousands\n"
    yield rows.file(folder / "footer_note.csv", rows.csv() + note)

    rows = plain("units below the header")
    header, *lines = rows.csv().splitlines(keepends=True)
    yield rows.file(folder / "units.csv", header + "[kg],[cm],,\n" + "".join(lines))

    # Two files joined by `cat`.
    rows = plain("header again in the middle")
    header, *lines = rows.csv().splitlines(keepends=True)
    content = "".join([header, *lines[:150], header, *lines[150:]])
    yield rows.file(folder / "header_again.csv", content)

    rows = plain("rows of empty cells")
    yield rows.file(folder / "empty_rows.csv", rows.csv() + ",,,\n" * 20)


def rows_and_cells(folder: Path) -> Iterator[OddFile]:
    """Yield files whose rows or cells are not written in the simplest way."""
    rows = plain("separator after every line")
    content = rows.csv().replace("\n", ",\n")
    yield rows.file(folder / "trailing_all.csv", content)

    # pandas takes the first column for an index here, and shifts all names by one.
    rows = plain("separator after every line but the header")
    header, body = rows.csv().split("\n", 1)
    content = header + "\n" + body.replace("\n", ",\n")
    yield rows.file(folder / "trailing_rows.csv", content)

    for name, cut in (("rows too short", -1), ("rows too long", 1)):
        rows, bad = plain(name), {10, 20, 250}
        names, *rest = rows.lines()
        cells = [
            (line[:cut] if cut < 0 else [*line, "more"]) if row in bad else line
            for row, line in enumerate(rest)
        ]
        made = rows.file(folder / f"{name}.csv", _joined([names, *cells]))
        yield _without(made, bad)

    rows = plain("line breaks in quotes")
    notes = [f'line {row}\nand another, with "quotes"' for row in range(rows.n)]
    rows.add("note", notes).answer()
    yield rows.file(folder / "quoted_newlines.csv", rows.csv())

    rows = plain("CRLF")
    yield rows.file(folder / "crlf.csv", rows.csv(end="\r\n"))

    rows = plain("CR alone")
    yield rows.file(folder / "cr.csv", rows.csv(end="\r"))

    rows = plain("no line end at the end")
    yield rows.file(folder / "no_end.csv", rows.csv().rstrip("\n"))

    rows = plain("everything quoted")
    yield rows.file(folder / "quoted.csv", rows.csv(quoting=csv.QUOTE_ALL))

    rows = plain("single quotes")
    rows.category("d", ("a, b", "c, d", "e")).answer()
    yield rows.file(folder / "single_quotes.csv", rows.csv(quotechar="'"), outcome="either")

    rows = plain("spaces around names and cells")
    lines = [[f" {cell} " for cell in line] for line in rows.lines()]
    yield rows.file(folder / "spaces_around.csv", _joined(lines))

    rows = Rows("unnamed index")
    rows.add("", list(map(str, range(rows.n)))).number("x1", rows.signal).category("c").answer()
    del rows.truth[""]
    yield rows.file(folder / "unnamed_index.csv", rows.csv())

    rows = plain("a null byte")
    yield rows.file(folder / "null_byte.csv", rows.csv().encode() + b"\x00\n")

    rows = Rows("duplicate names")
    rows.number("a", rows.signal).number("a again").number("x2").answer()
    content = rows.csv().replace("a again", "a", 1)
    # Which of the two keeps the name is the reader's choice; both must be used.
    rows.truth = {"x2": rows.truth["x2"]}
    yield rows.file(folder / "duplicate_names.csv", content)

    rows = Rows("names that differ in spaces")
    rows.number("a", rows.signal).number("a ").answer()
    rows.truth = {}
    yield rows.file(folder / "names_differ_in_spaces.csv", rows.csv())

    rows = plain("a quote within a cell")
    notes = [f'{row % 3}" pipe' for row in range(rows.n)]
    rows.add("size", notes, notes, "category").answer()
    content = _joined(rows.lines())
    yield rows.file(folder / "inner_quote.csv", content)


def _joined(lines: list[list[str]]) -> str:
    return "".join(",".join(line) + "\n" for line in lines)


def _without(made: OddFile, bad: set[int]) -> OddFile:
    """Return what is expected when these rows are left out."""

    def kept(values: tuple[str | float | None, ...]) -> tuple[str | float | None, ...]:
        return tuple(value for row, value in enumerate(values) if row not in bad)

    columns = {
        name: Truth(truth.kinds, None if truth.values is None else kept(truth.values))
        for name, truth in made.columns.items()
    }
    labels = tuple(map(str, kept(made.labels or ())))
    return replace(made, columns=columns, labels=labels, says=r"\b3\b")


GROUPS = {
    "separators": separators,
    "encodings": encodings,
    "around the table": around_the_table,
    "rows and cells": rows_and_cells,
}
