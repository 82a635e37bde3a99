"""A long step says how far it is: in a line that moves on a terminal, in a log twice a minute."""

import logging
import signal

import pytest

from tabproof.runtime.progress import Waiting, step_display
from tests.runtime.terminal import terminal


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_fits_are_logged_twice_a_minute_at_most(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    clock = Clock()
    waiting = Waiting("fitting anew", logging.getLogger("tabproof.some"), clock)
    for second in range(0, 100, 10):
        clock.now = float(second)
        waiting.fit_begins("repeated cross-validation", 25)
    assert caplog.messages == [
        f"repeated cross-validation: fit {n} of 25, {clock} passed"
        for n, clock in ((4, "0:30"), (7, "1:00"), (10, "1:30"))
    ]


def test_what_follows_is_counted_anew() -> None:
    waiting = Waiting("fitting anew", logging.getLogger("tabproof.some"), Clock())
    assert waiting.in_words() == "fitting anew, 0:00 passed"
    for _ in range(3):
        waiting.fit_begins("repeated cross-validation", 25)
    waiting.fit_begins("learning curve", 20)
    assert waiting.in_words() == "learning curve: fit 1 of 20, 0:00 passed"


def test_what_is_over_at_once_is_not_shown() -> None:
    clock = Clock()
    waiting = Waiting("deciding", logging.getLogger("tabproof.some"), clock)
    assert not waiting.is_seen
    clock.now = 1.0
    assert waiting.is_seen


def test_without_a_terminal_a_step_prints_nothing_by_itself(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with step_display("deciding", bar=True):
        pass
    assert capsys.readouterr().out == ""
    assert caplog.messages == []


STEP = """
import logging, time
from tabproof.runtime.console import ConsoleHandler
from tabproof.runtime.progress import step_display

logging.basicConfig(level="INFO", handlers=[ConsoleHandler()])
with step_display("fitting anew", bar=True) as waiting:
    waiting.fit_begins("learning curve", 20)
    logging.warning("said meanwhile")
    time.sleep({seconds})
print("after")
"""


def test_a_line_moves_on_a_terminal_and_leaves_nothing() -> None:
    with terminal(STEP.format(seconds=2.5)) as watched:
        watched.read(until="learning curve: fit 1 of 20, 0:02 passed")
        assert watched.wait() == 0
        assert [line for line in watched.screen if line] == ["! said meanwhile", "after"]


def test_ctrl_c_leaves_the_terminal_clean() -> None:
    with terminal(STEP.format(seconds=600)) as watched:
        watched.read(until="passed")
        watched.process.send_signal(signal.SIGINT)
        assert watched.wait() == -signal.SIGINT
        assert "passed" not in "\n".join(watched.screen)
        assert watched.text.rindex("\x1b[?25h") > watched.text.rindex("\x1b[?25l")
