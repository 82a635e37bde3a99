"""Runs are called by what they chose otherwise."""

from tabproof.report.contenders import MAX_COLUMNS, columns_of, differing_keys, names_of


def test_only_what_differs_is_reported() -> None:
    choices = [{"model": "vote", "search": "fast"}, {"search": "fast"}]
    assert differing_keys(choices) == ["model"]
    assert columns_of(choices) == (["model"], [])
    assert names_of(choices, ["aaaa", "bbbb"]) == ["vote", "bbbb"]


def test_a_number_is_reported_with_its_key() -> None:
    choices = [{"model": "vote", "search.n_splits": "3"}, {"model": "a", "search.n_splits": "5"}]
    assert names_of(choices, ["a", "b"]) == ["vote, n_splits=3", "a, n_splits=5"]
    assert names_of([{"export": "true"}, {"export": "false"}], ["a", "b"]) == [
        "export=true",
        "export=false",
    ]


def test_runs_that_chose_alike_are_distinguished_by_id() -> None:
    choices = [{"model": "vote"}, {"model": "vote"}, {"model": "a"}]
    assert names_of(choices, ["0123456789", "9876543210", "c"]) == [
        "vote 01234567",
        "vote 98765432",
        "a",
    ]
    assert names_of([{}, {}], ["0123456789", "9876543210"]) == ["01234567", "98765432"]


def test_one_run_is_called_by_all_it_chose() -> None:
    assert names_of([{"model": "vote", "seed": "1"}], ["a"]) == ["vote, seed=1"]
    assert names_of([{}], ["a"]) == ["a"]


def test_more_keys_than_there_is_room_for_share_a_column() -> None:
    choices = [{f"k{n}": str(value) for n in range(10)} for value in range(2)]
    own, shared = columns_of(choices)
    assert len(own) == MAX_COLUMNS - 1
    assert [*own, *shared] == list(choices[0])
