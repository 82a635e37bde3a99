"""How right and how fast files are read: `python -m benchmarks.reading`.

Encodings are found in small tables of words of several languages; separators in public tables
(--tables), written with each separator, plainly and with what real files have: a title, comments,
remarks full of separators, decimal commas, few rows. Other detectors are measured beside ours
where they are installed: `pip install charset-normalizer clevercsv duckdb`. Then a million rows are
loaded beside pandas, and a large file's layout is found (--speed: only these). Exits 1 if a target
is missed.
"""

import argparse
import codecs
import csv
import gzip
import io
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
import pandas as pd

from benchmarks.verdict import print_verdict
from tabproof.data import load_file
from tabproof.errors import UserError
from tabproof.reading import ReadOptions, read_table, sniff
from tabproof.reading.encoding import find_encoding

TABLES = "../shared/datasets"
# Encodings by language, a header, and words of cells.
LANGUAGES = {
    "Japanese": (
        "utf-8 utf-16 cp932 euc_jp iso2022_jp",
        "名前 都道府県 備考 結果",
        "山田 鈴木 佐藤 高橋 渡辺 東京都 大阪府 北海道 男 女 はい いいえ カード 不明 解約 継続"
        " 会社員 自営業 お問い合わせあり 特になし 30代",
    ),
    "Japanese, half width": ("cp932", "ﾅﾏｴ ｶﾅ 結果", "ﾔﾏﾀﾞ ﾀﾛｳ ｽｽﾞｷ ｻﾄｳ ﾊﾅｺ ﾀﾅｶ ﾜﾀﾅﾍﾞ 男 女"),
    "German": (
        "cp1252",
        "Name Größe Straße",
        "Müller Weiß Jäger Köln München ja nein Schröder für",
    ),
    "French": ("cp1252", "prénom âge réponse", "François Zoé Orléans oui non élève dû garçon"),
    "Spanish": ("cp1252", "nombre región año", "José María Peña Bogotá sí no Núñez ¿qué? León"),
    "Portuguese": ("cp1252", "nome região", "João Paulo não sim Conceição Luís avó"),
    "Prices": ("cp1252", "price amount", "5€ 12€ a b 7,50€"),
    "Russian": ("cp1251 koi8_r", "имя город ответ", "Иван Мария Москва да нет Новосибирск"),
    "Chinese": ("gb18030 big5", "姓名 城市 结果", "张三 李四 北京 上海 是 否 王小明 广东省 这个"),
    "Korean": ("cp949", "이름 도시 결과", "김철수 이영희 서울 부산 예 아니오 대한민국"),
    "Polish": ("cp1250 iso8859_2", "imię miasto", "Łukasz Kraków Gdańsk tak nie Święta źle"),
    "Czech": ("cp1250", "jméno město", "Jiří Dvořák Plzeň Brno České ano ne Růžena žádný"),
    "Hungarian": ("cp1250", "név város", "István Győr Erzsébet Pécs igen nem Szűcs Tünde"),
    "Croatian": ("cp1250", "ime grad", "Željko Šibenik Đurđa Čakovec da ne Marić Ivan"),
    "Romanian": ("cp1250", "nume oraş", "Ştefan Bucureşti Iaşi Constanţa da nu Brăila Ion"),
    "Turkish": ("cp1254", "ad şehir", "Ayşe Çiğdem İstanbul Işıl evet hayır Yıldız Muğla"),
    "Lithuanian": ("cp1257", "vardas miestas", "Jonas Šiauliai Žydrūnas taip ne Panevėžys Gražina"),
    "Greek": ("cp1253 iso8859_7", "όνομα πόλη", "Γιώργος Μαρία Αθήνα Θεσσαλονίκη ναι όχι Πάτρα"),
    "Ukrainian": ("cp1251", "ім'я місто", "Олексій Київ Львів так ні Їжакевич Харків Ганна"),
    "Bulgarian": ("cp1251", "име град", "Георги Стоян София Пловдив да не Ралица Бургас"),
    "Hebrew": ("cp1255", "שם עיר", "דוד שרה ירושלים חיפה כן לא משה באר רחל"),
    "Arabic": ("cp1256", "الاسم المدينة", "محمد فاطمة القاهرة الرياض نعم لا أحمد دمشق"),
    "Thai": ("cp874", "ชื่อ จังหวัด", "สมชาย สุดา กรุงเทพ เชียงใหม่ ใช่ ไม่ใช่ ภูเก็ต"),
    "Icelandic": ("cp1252", "nafn bær", "Guðrún Þór Reykjavík Ísafjörður já nei Sigurður"),
    "Swedish": ("cp1252", "namn ort", "Åsa Göran Malmö Västerås ja nej Björn Örebro"),
    "DOS, German": ("cp850", "Name Größe", "Müller Weiß Jäger Köln München ja nein Schröder"),
    "DOS, Russian": ("cp866", "имя город", "Иван Мария Москва да нет Новосибирск"),
    "Mac, French": ("mac_roman", "prénom âge", "François Zoé Orléans oui non élève dû garçon"),
}
N_ROWS_OF_WORDS, N_SEEDS = (3, 30, 300), 5
SEPARATORS = ",;\t|"
N_TABLE_ROWS, N_SHORT = 300, 20
REMARK = ["the", "customer", "said,", "well;", "it", "works", "-", "fine:", "ok", "|", "a"]
ASKED = "asked"
# Rows of the file that is timed, and the best of so many times.
N_ROWS, N_REPETITIONS = 1_000_000, 5
MOST_TIMES_PANDAS, MOST_SECONDS = 1.2, 1.0


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser("python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--tables", default=TABLES, metavar="DIRECTORY")
    parser.add_argument("--rows", default=N_ROWS, type=int)
    parser.add_argument("--speed", action="store_true", help="measure nothing else")
    arguments = parser.parse_args()
    if not arguments.speed:
        measure_encodings()
        measure_separators(Path(arguments.tables))
    with TemporaryDirectory(prefix="benchmark_") as directory:
        is_met = measure_speed(Path(directory), arguments.rows)
    return 0 if is_met else 1


# --- Encodings.


def measure_encodings() -> None:
    """Print by language and encoding how often each detector is right, asks, or is wrong."""
    detectors: dict[str, Callable[[bytes], str]] = {"ours": _our_encoding}
    if find_spec("charset_normalizer"):
        detectors["charset-normalizer"] = _normalizer
    print(f"{'encoding':<34}" + "".join(f"{name:>28}" for name in detectors))
    print(f"{'':<34}" + "right asked wrong".rjust(28) * len(detectors))
    for language, (encodings, header, words) in LANGUAGES.items():
        for encoding in encodings.split():
            line = f"{language + ', ' + encoding:<34}"
            for detect in detectors.values():
                counts = Counter(
                    _outcome(text, encoding, detect)
                    for text in _tables_of_words(header.split(), words.split())
                )
                figures = [counts[outcome] for outcome in ("right", ASKED, "wrong")]
                line += "{:6}{:6}{:6}".format(*figures).rjust(28)
            print(line, flush=True)


def _tables_of_words(header: list[str], words: list[str]) -> Iterator[str]:
    for n_rows in N_ROWS_OF_WORDS:
        for seed in range(N_SEEDS):
            generator = random.Random(seed)  # noqa: S311
            rows = [[str(i), *generator.choices(words, k=len(header))] for i in range(n_rows)]
            yield "\n".join(",".join(row) for row in [["id", *header], *rows]) + "\n"


def _outcome(text: str, encoding: str, detect: Callable[[bytes], str]) -> str:
    content = text.encode(encoding, errors="ignore")
    found = detect(content)
    if found == ASKED:
        return ASKED
    with suppress(UnicodeDecodeError):
        if content.decode(found).lstrip("\ufeff") == content.decode(encoding).lstrip("\ufeff"):
            return "right"
    return "wrong"


def _our_encoding(content: bytes) -> str:
    try:
        return find_encoding(content, "the file", "")
    except UserError:
        return ASKED


def _normalizer(content: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(content).best()
    return ASKED if best is None else codecs.lookup(best.encoding).name


# --- Separators.


def measure_separators(folder: Path) -> None:
    """Print by kind of file how often each detector finds the separator, and its time."""
    detectors: dict[str, Callable[[str], str]] = {"ours": _our_separator, "csv": _standard}
    if find_spec("clevercsv"):
        detectors["clevercsv"] = _clever
    if find_spec("duckdb"):
        detectors["DuckDB"] = _duck
    files = sorted(folder.glob("*.csv.gz"))
    if not files:
        print(f"\nno tables in {folder}: separators are not measured")
        return
    right: Counter[tuple[str, str]] = Counter()
    total: Counter[str] = Counter()
    seconds = Counter[str]()
    for path in files:
        for kind, separator, text in _written(path):
            total[kind] += 1
            for name, detect in detectors.items():
                start = perf_counter()
                right[kind, name] += detect(text) == separator
                seconds[name] += perf_counter() - start
    print(f"\n{'separator':<34}" + "".join(f"{name:>14}" for name in detectors))
    for kind, n in total.items():
        print(f"{kind:<34}" + "".join(f"{right[kind, name]:>8} of {n:2}" for name in detectors))
    n = total.total()
    print(f"{'ms a file':<34}" + "".join(f"{1e3 * seconds[name] / n:14.0f}" for name in detectors))


def _written(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield a table in several kinds of files, with each separator."""
    generator = random.Random(0)  # noqa: S311
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        header, *rows = [row for row, _ in zip(csv.reader(file), range(N_TABLE_ROWS), strict=False)]
    remarks = [[*row, " ".join(generator.choices(REMARK, k=8))] for row in rows]
    times = [[*row, f"2024-01-{10 + i} 1{i % 10}:30"] for i, row in enumerate(rows[:N_SHORT])]
    commas = [[cell.replace(".", ",") for cell in row] for row in rows]
    for separator in SEPARATORS:
        width = separator * (len(header) - 1)
        plain = _joined([header, *rows], separator)
        yield "plain", separator, plain
        yield "below a title", separator, f"Report of 2024{width}\n{width}\n{plain}"
        yield "below a comment", separator, f"# written by x, on 2024-01-01; v1|a\n{plain}"
        yield "with remarks", separator, _joined([[*header, "remark"], *remarks], separator)
        yield "with times", separator, _joined([[*header, "when"], *times], separator)
        yield "3 rows", separator, _joined([header, *rows[:3]], separator)
        if separator != ",":
            yield "decimal commas", separator, _joined([header, *commas], separator)


def _joined(rows: list[list[str]], separator: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _our_separator(text: str) -> str:
    try:
        return sniff(text.encode(), ReadOptions()).separator
    except UserError:
        return ASKED


def _standard(text: str) -> str:
    try:
        return csv.Sniffer().sniff(text).delimiter
    except csv.Error:
        return ASKED


def _clever(text: str) -> str:
    import clevercsv

    try:
        found = clevercsv.Sniffer().sniff(text)
    except clevercsv.Error:
        return ASKED
    return found.delimiter if found else ASKED


def _duck(text: str) -> str:
    import duckdb

    with TemporaryDirectory(prefix="benchmark_") as directory:
        path = Path(directory) / "table.csv"
        path.write_text(text, encoding="utf-8", newline="")
        try:
            found = duckdb.connect().execute(
                "select Delimiter from sniff_csv(?, sample_size=-1)", [str(path)]
            )
        except duckdb.Error:
            return ASKED
        return str((found.fetchone() or [ASKED])[0])


# --- Speed.


def measure_speed(folder: Path, n_rows: int) -> bool:
    """Print the times of a million rows beside pandas', and that of detection."""
    path = folder / "table.csv"
    frame = _frame(n_rows)
    frame.to_csv(path, index=False)
    works: dict[str, Callable[[], object]] = {
        "pandas.read_csv": lambda: pd.read_csv(path),
        "read_table": lambda: read_table(str(path)),
        "load_file": lambda: load_file(str(path), "y"),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    # In turn, so that what else runs slows all of them; the best of each.
    for _ in range(N_REPETITIONS):
        for name, work in works.items():
            times[name].append(_seconds(work))
    best = {name: np.min(some, axis=0) for name, some in times.items()}
    print(f"\n{n_rows:,} rows, {frame.shape[1]} columns, {path.stat().st_size / 2**20:.0f} MiB")
    for name, (wall, processor) in best.items():
        print(f"  {name:<16} {wall:.2f} s, processor {processor:.2f} s")
    ratios = best["load_file"] / best["pandas.read_csv"]
    # Reading, types of columns, and the target: pandas has only the first two.
    verdicts = [
        print_verdict(f"load_file, times pandas, {what}", ratio, at_most=MOST_TIMES_PANDAS)
        for what, ratio in zip(("time", "processor"), ratios.tolist(), strict=True)
    ]
    content = path.read_bytes() * 4
    detection, _ = _seconds(lambda: sniff(content, ReadOptions()))
    print(f"  layout of {len(content) / 2**20:.0f} MiB")
    verdicts.append(print_verdict("detection, s", detection, at_most=MOST_SECONDS))
    return all(verdicts)


def _frame(n_rows: int) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    columns: dict[str, np.ndarray] = {
        f"x{i}": generator.normal(size=n_rows).round(4) for i in range(5)
    }
    columns |= {f"n{i}": generator.integers(0, 10_000, n_rows) for i in range(3)}
    columns |= {f"c{i}": generator.choice(["red", "green", "blue"], n_rows) for i in range(2)}
    return pd.DataFrame({**columns, "y": generator.choice(["yes", "no"], n_rows)})


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the time, and the time of the processor in all threads."""
    start, processor = perf_counter(), process_time()
    work()
    return perf_counter() - start, process_time() - processor


if __name__ == "__main__":
    sys.exit(main())
