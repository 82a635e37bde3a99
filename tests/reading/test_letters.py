import tomllib

import pytest

from tabproof.reading.letters import ENCODINGS, PAIRS, likelihood_of, likelihoods


def of(text: str, encoding: str) -> list[str]:
    content = text.encode(encoding)
    letters = bytes(sorted({byte for byte in content if byte > 0x7F}))
    return [each.encoding for each in likelihoods(content, letters)]


def test_every_language_has_pairs_of_letters() -> None:
    pairs = tomllib.loads(PAIRS.read_text(encoding="utf-8"))
    assert {*pairs} == {each for languages, _ in ENCODINGS.values() for each in languages.split()}
    for costs in pairs.values():
        assert all(len(letters) % 2 == 0 for letters in costs.values())
        assert not any(letters.isascii() for letters in costs.values())


def test_encodings_in_which_a_text_is_the_same_are_one() -> None:
    found = of("Müller,Jäger", "cp1252")
    assert found[0] == "cp1252"
    assert not {"cp1250", "cp1254", "iso8859_2"} & {*found}


def test_what_is_written_is_likelier_than_what_its_bytes_are_elsewhere() -> None:
    for word, encoding, other in (
        ("Łódź", "cp1250", "cp1252"),
        ("Москва", "cp1251", "koi8_r"),
        ("señor", "cp1252", "cp1250"),
        ("Αθήνα", "cp1253", "cp1251"),
        ("20°C", "cp1252", "cp850"),
    ):
        mistaken = word.encode(encoding).decode(other, errors="replace")
        assert likelihood_of(word) > likelihood_of(mistaken), mistaken


@pytest.mark.parametrize("text", ["5€,12€", "“x” – y", "½", "№ 5", "9µm"])
def test_signs_are_text(text: str) -> None:
    encoding = "cp1251" if "№" in text else "cp1252"
    content = text.encode(encoding)
    letters = bytes(sorted({byte for byte in content if byte > 0x7F}))
    assert likelihoods(content, letters)[0].is_plausible
