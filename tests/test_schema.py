import json
import re
import subprocess
import sys
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.forms import ALL_SCALES, TIMES, DateForm, NumberForm
from tabproof.schema import (
    FORMAT,
    TREATMENTS,
    CategoryColumn,
    DateColumn,
    NumberColumn,
    Schema,
    SchemaDamagedError,
    TextColumn,
    make_treatment,
    treatment_text,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1)
number_forms = st.builds(
    NumberForm,
    st.sampled_from(".,"),
    st.sampled_from(["", " ", "'", "' "]),
    st.lists(st.text()).map(tuple),
    st.lists(st.sampled_from([*ALL_SCALES])).map(tuple),
    st.sampled_from(["", *TIMES]),
)
date_forms = st.builds(DateForm, st.text(), st.none() | st.integers(-900, 900), st.booleans())
columns = (
    st.builds(NumberColumn, st.text(), finite, finite, shares, number_forms)
    | st.builds(CategoryColumn, st.text(), st.lists(st.text()).map(tuple), shares)
    | st.builds(DateColumn, st.text(), finite, finite, shares, date_forms)
    | st.builds(TextColumn, st.text(), st.integers(0), shares)
)
treatments = st.builds(
    lambda names, n: make_treatment("rows_without_target", names, n_rows=n),
    st.lists(st.text()),
    st.integers(0),
)
schemas = st.builds(
    Schema,
    columns=st.lists(columns).map(tuple),
    target=st.text(),
    labels=st.lists(st.text()).map(tuple),
    n_rows=st.integers(0),
    treatments=st.lists(treatments).map(tuple),
)


@given(schemas)
def test_a_schema_is_what_was_written_of_it(schema):
    assert Schema.from_json(schema.to_json()) == schema


@given(schemas)
def test_a_schema_is_written_the_same_way_again(schema):
    assert Schema.from_json(schema.to_json()).to_json() == schema.to_json()


@given(schemas)
def test_the_json_states_its_format_and_the_kind_of_each_column(schema):
    content = json.loads(schema.to_json())
    assert content["format"] == FORMAT
    kinds = {NumberColumn: "number", CategoryColumn: "category"}
    kinds |= {DateColumn: "date", TextColumn: "text"}
    assert [c["kind"] for c in content["columns"]] == [kinds[type(c)] for c in schema.columns]


def test_text_is_written_for_people():
    schema = Schema((CategoryColumn("性別", ("女", "男"), 0.0),), "解約", ("いいえ", "はい"), 2)
    for word in ("性別", "女", "解約", "はい"):
        assert f'"{word}"' in schema.to_json()


def test_a_schema_is_read_without_numeric_libraries():
    code = "import sys, tabproof.schema, tabproof.errors; print(*sorted(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pandas", "sklearn", "hydra"} & set(ended.stdout.split())


def test_a_schema_of_the_first_format_is_read():
    column = {"name": "x", "minimum": 0.0, "maximum": 1.0, "missing_share": 0.0, "kind": "number"}
    old = {"format": 1, "columns": [column], "target": "y", "labels": ["a", "b"], "n_rows": 2}
    expected = Schema((NumberColumn("x", 0.0, 1.0, 0.0),), "y", ("a", "b"), 2)
    assert Schema.from_json(json.dumps(old)) == expected


@pytest.mark.parametrize("change", [{"kind": "image"}, {"form": {"decimal": ""}}, {"form": 3}])
def test_a_schema_with_an_unknown_kind_or_form_is_damaged(change):
    content = json.loads(Schema((NumberColumn("x", 0.0, 1.0, 0.0),), "y", ("a",), 1).to_json())
    content["columns"][0] |= change
    with pytest.raises(SchemaDamagedError):
        Schema.from_json(json.dumps(content))


def test_treatments_are_worded_in_both_languages_with_the_same_places():
    places = re.compile(r"\{(\w+)")
    for code, texts in tomllib.loads(TREATMENTS.read_text(encoding="utf-8")).items():
        assert set(texts) >= {"en", "ja"}, code
        english, japanese = (set(places.findall(texts[language])) for language in ("en", "ja"))
        assert english == japanese, code


def test_a_treatment_names_the_first_columns_and_keeps_all():
    names = [f"x{n}" for n in range(20)]
    treatment = make_treatment("left_out_constant", names)
    assert "'x0', 'x1'" in treatment.message
    assert "'x19'" not in treatment.message
    assert treatment.columns == tuple(names)
    assert "x0" in treatment_text(treatment.code, names, treatment.facts, "ja")


def test_names_with_braces_and_line_breaks_stay_on_one_line():
    message = make_treatment("left_out_constant", ["{y}", "a\nb"]).message
    assert "{y}" in message
    assert "\n" not in message


def test_lost_rows_are_a_loss_and_unknown_treatments_are_not():
    assert make_treatment("rows_without_target", n_rows=1).is_loss
    assert not make_treatment("left_out_constant", ["x"]).is_loss
