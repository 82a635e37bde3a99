import pytest

from tabproof.config import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1d", 86400),
        ("0.5s", 0.5),
        (" 1m ", 60),
        ("30m1h", 5400),
    ],
)
def test_times_are_read_as_people_write_them(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "10", "s", "10 parsecs", "-1s", "1.s", "1h 30m", "0s", "0h0m", "1S", "1e3s", "∞s"]
)
def test_what_is_no_time_is_none(text):
    assert seconds_of(text) is None
