"""The console shows messages and the first line of warnings; errors are printed elsewhere."""

import logging

import pytest

from tabproof.runtime.console import ConsoleHandler


@pytest.fixture
def logger() -> logging.Logger:
    logger = logging.Logger("test")
    logger.addHandler(ConsoleHandler())
    return logger


def test_a_warning_is_its_first_line(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.info("plain [text] as it is")
    logger.warning("something\nwith a long explanation")
    logger.error("printed when the program ends")
    assert capsys.readouterr().out == "plain [text] as it is\n! something\n"


@pytest.mark.parametrize("name", ["result", "distributed.client"])
def test_lines_for_scripts_and_of_the_cluster_are_for_the_log(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.Logger(name)
    logger.addHandler(ConsoleHandler())
    logger.warning("[RESULT] …")
    assert capsys.readouterr().out == ""
