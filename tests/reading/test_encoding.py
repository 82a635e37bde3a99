import pytest

from tabproof.reading.encoding import (
    EncodingError,
    MixedEncodingsError,
    NotTextError,
    UnknownEncodingError,
    find_encoding,
)
from tests.reading.making import read, rows_of

CITIES, WORDS = ("北京", "上海", "广东省", "这个"), ("예", "아니오", "서울", "부산")
CHINESE = "".join(f"{name},{city}\n" for name in ("张三", "李四", "王小明") for city in CITIES)
KOREAN = "".join(f"{name},{word}\n" for name in ("김철수", "이영희", "대한민국") for word in WORDS)
JAPANESE = "名前,年齢,結果\n山田,3,はい\n鈴木,4,いいえ\n"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp932", JAPANESE),
        ("cp932", "性別,y\n男,1\n女,0\n"),
        ("cp932", "ﾅﾏｴ,y\nﾔﾏﾀﾞ,1\nｽｽﾞｷ,0\n"),
        ("cp932", "名前,y\n髙橋①,1\n﨑山,0\n"),
        ("euc_jp", JAPANESE),
        ("iso2022_jp", JAPANESE),
        ("utf-16", JAPANESE),
        ("utf-16-le", "a,y\nx,1\nz,0\n"),
        ("utf-16-be", "a,y\nx,1\nz,0\n"),
        ("utf-32", JAPANESE),
        ("cp1252", "nom,y\nFrançois,1\nZoé,0\nMüller,1\n"),
        ("cp1252", "price,y\n5 €,1\n“x” – y,0\n"),
        ("cp1251", "имя,ответ\nИван,да\nМария,нет\nМосква,да\n"),
        ("gb18030", f"姓名,城市\n{CHINESE}"),
        ("cp949", f"이름,결과\n{KOREAN}"),
        ("koi8_r", "имя,ответ\nИван,да\nМария,нет\nМосква,да\n"),
        ("cp1251", "ім'я,місто\nОлексій,Київ\nГанна,Львів\n"),
        ("cp1250", "imię,y\nŁukasz,1\nPaweł,2\nŻaneta,3\nMałgorzata,4\n"),
        ("iso8859_2", "imię,y\nŁukasz,1\nPaweł,2\nŻaneta,3\nŚwięta,4\n"),
        ("cp1250", "jméno,y\nJiří,1\nDvořák,2\nRůžena,3\nPlzeň,4\n"),
        ("cp1254", "ad,y\nAyşe,1\nÇiğdem,2\nIşıl,3\nYıldız,4\n"),
        ("cp1253", "όνομα,y\nΓιώργος,1\nΑθήνα,2\nόχι,3\n"),
        ("cp1257", "vardas,y\nŠiauliai,1\nŽydrūnas,2\nPanevėžys,3\nGražina,4\n"),
        ("cp1255", "שם,y\nירושלים,1\nחיפה,2\nדוד,3\n"),
        ("cp1256", "اسم,y\nمحمد,1\nالقاهرة,2\nدمشق,3\n"),
        ("cp1252", "nafn,y\nGuðrún,1\nÞór,2\nReykjavík,3\n"),
        ("cp1252", "price,y\n£5,1\n20°C,2\n5 µm,3\nit’s,4\n"),
    ],
)
def test_a_table_is_read_in_its_encoding(encoding, text) -> None:
    raw = read(text.encode(encoding))
    assert [raw.table.column_names, *rows_of(raw)] == [
        line.split(",") for line in text.splitlines()
    ]


def test_utf_8_is_recognized_however_late_its_first_letter_comes() -> None:
    raw = read("a,y\n" + "x,1\n" * 100_000 + "é,2\n")
    assert raw.resolved["encoding"] == "utf-8"


@pytest.mark.parametrize(
    ("content", "utf_8", "other"),
    [
        ("a,y\né,1\n".encode() + "é,0\n".encode("latin-1"), 2, 3),
        (JAPANESE.encode("cp932") + "田中,5,はい\n".encode(), 4, 1),
        (JAPANESE.encode() * 40 + b"\xff,1,2\n", 1, 121),
    ],
)
def test_two_encodings_in_one_file_are_refused_with_a_line_of_each(content, utf_8, other) -> None:
    with pytest.raises(MixedEncodingsError, match=f"line {utf_8} is UTF-8, line {other} is not"):
        read(content)


def test_a_given_encoding_that_is_wrong_is_refused_with_the_one_that_reads_it() -> None:
    with pytest.raises(EncodingError, match=r"line 1 is not; 'dataset\.encoding=cp932' reads it"):
        read(JAPANESE.encode("cp932"), encoding="utf-8")
    with pytest.raises(EncodingError, match=r"'dataset\.encoding=utf-8' reads it"):
        read(JAPANESE.encode(), encoding="cp932")


def test_a_given_encoding_is_never_corrected() -> None:
    raw = read("a,y\né,1\n".encode("cp1252"), encoding="cp1250")
    assert rows_of(raw) == [["é", "1"]]
    assert raw.resolved == {"separator": ","}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        # Old encodings have many variants.
        ("cp850", "name,y\nMüller,1\nJäger,0\n"),
        ("cp866", "имя,y\nИван,1\nМария,0\n"),
        ("mac_roman", "nom,y\nFrançois,1\nZoé,0\n"),
        # One word is little, and two damaged bytes look like one.
        ("cp1251", "имя,y\n1,1\n2,0\n"),
        # `ž` and `č` of two words may be letters of other languages.
        ("cp1250", "ime,y\nŽeljko,1\nČakovec,0\n"),
    ],
)
def test_an_encoding_that_is_not_certain_is_asked_for_with_words_that_work(encoding, text) -> None:
    content = text.encode(encoding)
    with pytest.raises(UnknownEncodingError, match=rf"is not UTF-8; say .*encoding={encoding}'"):
        read(content)
    assert read(content, encoding=encoding).table.column_names == text.split("\n")[0].split(",")


def test_letters_that_have_the_form_of_utf_8_by_chance_are_no_second_encoding() -> None:
    rows = [f"{name},{i}" for i, name in enumerate(("Plzeň", "Jiří", "Dvořák", "Růžena", "Úšava"))]
    raw = read("\n".join(["jméno,y", *rows, ""]).encode("cp1250"))
    assert rows_of(raw)[-1] == ["Úšava", "4"]


def test_the_rare_letter_that_decides_is_found_in_a_long_text() -> None:
    # Only the last word differs between Western and Polish text.
    rows = ["Kraków,1"] * 3_000 + ["Łódź,0", "Święta,0", "Małgorzata,1"]
    raw = read("\n".join(["miasto,y", *rows, ""]).encode("cp1250"))
    assert rows_of(raw)[-1] == ["Małgorzata", "1"]


def test_a_few_chinese_letters_may_be_japanese_too_and_are_asked_about() -> None:
    content = "姓名,y\n张三,1\n李四,0\n王五,1\n".encode("gb18030")
    with pytest.raises(UnknownEncodingError, match=r"encoding=euc_jp' or 'dataset\.encoding=gb"):
        read(content)
    assert read(content, encoding="gb18030").table.column_names == ["姓名", "y"]


def test_bytes_that_are_no_text_are_called_so() -> None:
    with pytest.raises(NotTextError, match="is no text"):
        read(bytes(range(256)) * 4)


@pytest.mark.parametrize("padding", [b"\0", b"\0\n", b"\0" * 100 + b"\r\n", b"\x1a"])
def test_padding_after_the_last_row_is_no_cell(padding) -> None:
    assert rows_of(read(b"a,b\n1,2\n3,4\n" + padding)) == [["1", "2"], ["3", "4"]]


def test_a_damaged_cell_is_no_text_in_another_alphabet() -> None:
    with pytest.raises(UnknownEncodingError, match="line 3"):
        find_encoding(b"x,y\n1,Kyoto\n2,\xff\xfe\n3,\xff\n", "x.csv", "")
