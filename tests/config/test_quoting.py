"""A name of any characters can be given on the command line, and arrives as it is."""

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from tabproof.conf_files import CONF
from tabproof.config import as_yaml, make, quoted, recompose, train_words, typed
from tabproof.config.quoting import SeveralValuesError, UnreadableValueError, decoded
from tabproof.errors import InvalidValueError
from tabproof.text import name_in_quotes
from tests.config.composing import composed

TARGET, DROP, TYPES = "dataset.target", "dataset.drop_columns", "dataset.column_types"
ODD_NAMES = [
    "日本語",
    "年齢 (歳)",
    "Unnamed: 0",
    "y,z",
    "${y}",
    "\\${y}",
    "a${b}${",
    "$x",
    "a=b",
    "o'brien",
    "'quoted'",
    '"quoted"',
    "' and ' and \"",
    "back\\slash/",
    "back\\",
    "back\\\\'",
    "<b>html</b>",
    "🙂",
    "line\nbreak",
    'e,f [g] {h}: "q"',
    "[x]",
    "{x: y}",
    "[a],[b]",
    "null",
    "True",
    "007",
    "1e3",
    "1_000",
    "nan",
    "range(1,3)",
    "%41",
    "a.b",
    "#c",
    "-m",
]


def values_of(word: str) -> list[Any]:
    """Return what Hydra and OmegaConf make of a word, as each job of a sweep has it."""
    override = OverridesParser.create().parse_override(word)
    words = [word]
    if override.is_sweep_override():
        key = override.get_key_element()
        words = [f"{key}={value}" for value in override.sweep_string_iterator()]
    found = []
    for each in words:
        value = OverridesParser.create().parse_override(each).value()
        node = OmegaConf.create({"value": value})
        found.append(as_texts(OmegaConf.to_container(node, resolve=True)["value"]))
    return found


def as_texts(value: Any) -> Any:
    """Return a value as OmegaConf converts it for a key that takes texts."""
    if isinstance(value, list):
        return [as_texts(each) for each in value]
    if isinstance(value, dict):
        return {decoded(key): each for key, each in value.items()}
    return value if value is None else str(value)


def meaning(argument: str, *others: str) -> Any:
    """Return the value of an argument, which stays the same when it is quoted again."""
    words = quoted([*others, argument])
    assert quoted(words) == words
    values = values_of(words[-1])
    return values if others == ("-m",) else values[0]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_is_taken_as_it_stands(name: str) -> None:
    in_quotes = name_in_quotes(name)
    looks_quoted = name in ("'quoted'", '"quoted"')
    if not looks_quoted:
        assert meaning(f"{TARGET}={name}") == name
        assert meaning(f"+{TARGET}={name}") == name
    assert meaning(f"{TARGET}={in_quotes}") == name
    assert meaning(f"{DROP}=[a, {in_quotes},b]") == ["a", name, "b"]
    assert meaning(f"{DROP}={in_quotes}") == [name]
    is_bare = not looks_quoted and "," not in name
    if is_bare:
        assert meaning(f"{DROP}=[a, {name},b]") == ["a", name, "b"]
        assert meaning(f"{DROP}=a,{name}") == ["a", name]
    assert meaning(f"{TYPES}={{{in_quotes}: text, b: date}}") == {
        name: "text",
        "b": "date",
    }
    assert meaning(f"{TYPES}.{in_quotes}=category") == {name: "category"}
    if is_bare:
        assert meaning(f"{TYPES}={{b: date, {name}: text}}") == {"b": "date", name: "text"}
        assert meaning(f"+{TYPES}.{name}=category") == {name: "category"}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(str.strip)


# Space around a value is never part of it.
@given(TEXTS.filter(lambda text: text and text[0] not in "'\""))
def test_any_text_is_taken_as_it_stands(text: str) -> None:
    assert meaning(f"{TARGET}={text}") == text


@given(st.lists(TEXTS.filter(bool), max_size=4))
def test_any_names_in_quotes_are_taken_as_they_stand(names: list[str]) -> None:
    words = ",".join(map(name_in_quotes, names))
    assert meaning(f"{DROP}=[{words}]") == names
    if names:
        assert meaning(f"{DROP}={words}") == names
        assert meaning(f"{DROP}=[{words}],[{words}]", "-m") == [names, names]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        (f"{DROP}=id", ["id"]),
        (f"{DROP}=x1,x2", ["x1", "x2"]),
        (f"{DROP}=", []),
        (f"{DROP}=[]", []),
        (f"{DROP}=['年齢 (歳)',備考]", ["年齢 (歳)", "備考"]),
        (f"{DROP}=[price [USD], b]", ["price [USD]", "b"]),
        (f"{DROP}=[null]", ["null"]),
        ('dataset.drop_columns=["\\${y}"]', ["${y}"]),
        ("dataset.na_values=null", None),
        ("dataset.na_values=-,n/a", ["-", "n/a"]),
        ("dataset.pos_label=null", None),
        ("dataset.pos_label='null'", "null"),
        ("dataset.pos_label=01", "01"),
        ("dataset.pos_label=true", "true"),
        ("dataset.sheet=2024", "2024"),
        ("dataset.path=a,b.csv", "a,b.csv"),
        ("dataset.path=https://host/a.csv?b=c&d=1", "https://host/a.csv?b=c&d=1"),
        ("dataset.path=C:\\データ\\my.csv", "C:\\データ\\my.csv"),
        ("cv.time_column=年", "年"),
        ("evaluation.slices=性別,年齢", ["性別", "年齢"]),
    ],
)
def test_a_value_becomes_what_its_key_holds(argument: str, value: Any) -> None:
    assert meaning(argument) == value


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        (f"{TARGET}=y,z", ["y", "z"]),
        (f"{TARGET}='y,z',w", ["y,z", "w"]),
        (f"{TARGET}=choice(y,z)", ["y", "z"]),
        (f"{DROP}=x1,'x,2'", [["x1"], ["x,2"]]),
        (f"{DROP}=[a,b],c,[]", [["a", "b"], ["c"], []]),
        (f"{TYPES}.zip=number,category", [{"zip": "number"}, {"zip": "category"}]),
        (f"{TYPES}={{a: text}},{{'b,c': date}}", [{"a": "text"}, {"b,c": "date"}]),
        ("dataset.path=a.csv,b.csv", ["a.csv", "b.csv"]),
        ("dataset.pos_label=null,no", [None, "no"]),
    ],
)
def test_with_m_commas_outside_quotes_and_brackets_make_a_sweep(
    argument: str, values: list[Any]
) -> None:
    assert meaning(argument, "-m") == values


@pytest.mark.parametrize(
    ("argument", "kind", "words"),
    [
        (f"{DROP}=[a],[b]", SeveralValuesError, "-m"),
        (f"{TYPES}.zip=number,category", SeveralValuesError, "-m"),
        (f"{TYPES}={{a: text}},{{b: text}}", SeveralValuesError, "-m"),
        (f"{DROP}=[a", UnreadableValueError, "a list ends with ]"),
        (f"{TYPES}=zip", UnreadableValueError, "{name: category}"),
        (f"{TYPES}={{zip}}", UnreadableValueError, "{name: category}"),
        (f"{TYPES}.年齢=int", InvalidValueError, "年齢=int cannot work; it takes one of number"),
    ],
)
def test_what_has_no_meaning_is_refused_in_one_line(
    argument: str, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind) as raised:
        quoted([argument])
    assert words in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "argument",
    [
        "dataset.pos_label='a=b'",
        "seed=1,2",
        f"{DROP}=[a,b]",
        f"{DROP}=[1,2]",
        f"+{TYPES}={{zip: category}}",
        "search.n_splits=${seed}",
        "dataset.path=${oc.env:HOME}/my.csv",
        "~search.n_splits",
        "-m",
        "--cfg",
    ],
)
def test_what_hydra_reads_with_the_same_meaning_is_left_as_it_is(argument: str) -> None:
    assert quoted([argument]) == [argument]


@pytest.mark.parametrize("separator", [",", ";", "|", "\\t"])
def test_a_separator_needs_no_quotes_but_the_shells(separator: str) -> None:
    assert meaning(f"dataset.separator={separator}") == separator


# Keys whose texts do not come from data keep Hydra's grammar, where it reads the value.
@given(st.text("abc あ漢>%K<=.+-/ \"'()é&#", min_size=1).map(str.strip).filter(bool))
def test_what_hydra_does_not_read_becomes_the_value_as_it_was_typed(value: str) -> None:
    argument = f"search.name={value}"
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        assert values_of(quoted([argument])[0]) == [value]


def received(**values: object) -> dict[str, object]:
    return values


@pytest.mark.parametrize("name", [name for name in ODD_NAMES if name])
def test_a_name_reaches_the_function_that_loads_the_data(name: str) -> None:
    node = {"_target_": "tests.config.test_quoting.received", "target": name, "keep": [name]}
    made = make("dataset", node, ["tests"], more=[name])
    assert made == {"target": name, "keep": [name], "more": [name]}


@pytest.mark.parametrize("name", [name for name in ODD_NAMES if name])
def test_a_name_survives_the_whole_way_into_a_run_and_back(name: str) -> None:
    words = [
        f"{TARGET}={name_in_quotes(name)}",
        f"{DROP}=[{name_in_quotes(name + '2')}]",
        "dataset.path=a",
    ]
    config = typed(composed(*train_words([*words, f"{TYPES}.{name}3=date"])))
    again = recompose(as_yaml(config), [], to_its_end=False)[0]
    for found in (config.dataset, again.dataset):
        assert (found.target, found.drop_columns) == (name, [f"{name}2"])
        assert list(found.column_types) == [f"{name}3"]


# --- The dataset that is implied.

FILE = ["dataset.path=my.csv", f"{TARGET}=y"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (FILE, ["dataset=file", *FILE]),
        (["--cfg", "job", *FILE], ["--cfg", "job", "dataset=file", *FILE]),
        (["seed=1", "dataset.keep=[]"], ["seed=1", "dataset=file", "dataset.keep=[]"]),
        (["experiment=classic", *FILE], ["experiment=classic", "dataset=file", *FILE]),
        (["-m", "dataset.path=a,b", FILE[1]], ["-m", "dataset=file", "dataset.path=a,b", FILE[1]]),
        *(
            (words, words)
            for words in (
                ["dataset=mine", *FILE],
                ["+dataset=mine", *FILE],
                ["dataset.pos_label=x"],
                ["data_home=x", "seed=1"],
                ["--config-name=other", *FILE],
            )
        ),
    ],
)
def test_keys_of_a_file_imply_the_file(words: list[str], expected: list[str]) -> None:
    assert train_words(words) == expected


def test_a_project_or_an_experiment_with_a_dataset_of_its_own_keeps_it(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    conf = tmp_path / "conf"
    for group in ("dataset", "experiment"):
        (conf / group).mkdir(parents=True)
    (conf / "dataset" / "mine.yaml").write_text((CONF / "dataset" / "file.yaml").read_text())
    experiment = "# @package _global_\ndefaults:\n  - override /dataset: mine\n"
    (conf / "experiment" / "ours.yaml").write_text(experiment)
    assert train_words(FILE) == ["dataset=file", *FILE]
    assert train_words(["experiment=ours", *FILE]) == ["experiment=ours", *FILE]
    train = (CONF / "train.yaml").read_text().replace("dataset: breast_cancer", "dataset: mine")
    (conf / "train.yaml").write_text(train)
    assert train_words(FILE) == FILE
