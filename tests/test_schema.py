import json
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from tabproof.schema import FORMAT, CategoryColumn, NumberColumn, Schema

finite = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1)
columns = st.builds(NumberColumn, st.text(), finite, finite, shares) | st.builds(
    CategoryColumn, st.text(), st.lists(st.text()).map(tuple), shares
)
schemas = st.builds(
    Schema,
    columns=st.lists(columns).map(tuple),
    target=st.text(),
    labels=st.lists(st.text()).map(tuple),
    n_rows=st.integers(0),
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
    assert [c["kind"] for c in content["columns"]] == [kinds[type(c)] for c in schema.columns]


def test_text_is_written_for_people():
    schema = Schema((CategoryColumn("性別", ("女", "男"), 0.0),), "解約", ("いいえ", "はい"), 2)
    for word in ("性別", "女", "解約", "はい"):
        assert f'"{word}"' in schema.to_json()


def test_a_schema_is_read_without_numeric_libraries():
    code = "import sys, tabproof.schema, tabproof.errors; print(*sorted(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pandas", "sklearn", "hydra"} & set(ended.stdout.split())
