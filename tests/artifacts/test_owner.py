"""A process is known again, and not taken for another one of the same number."""

import os
import subprocess
import sys

from tabproof.artifacts.run_directory import is_alive, owner_facts


def test_this_process_is_alive_and_one_that_ended_is_not() -> None:
    assert is_alive(owner_facts())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not is_alive({**owner_facts(), "pid": ended.pid})
    assert not is_alive({"pid": None})
    assert not is_alive({"pid": 2**70})


def test_a_process_number_that_was_given_again_is_another_process() -> None:
    assert not is_alive({**owner_facts(), "begun": "another boot 1"})


def test_what_other_machines_run_may_be_alive() -> None:
    assert is_alive({"pid": 1, "host": "elsewhere", "begun": "x"})
    assert is_alive({"pid": os.getpid(), "host": None, "begun": None})
