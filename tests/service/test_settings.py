"""Settings are checked when the service starts, and documented in docs/service.md."""

import os
import re
from pathlib import Path

import pytest

from tabproof.service.app import app_from_environment
from tabproof.service.settings import VARIABLES, SettingError, Settings, misspelt
from tests.conftest import ROOT
from tests.service.serving import Process

BAD = [
    ("API_DOCS", "perhaps"),
    ("API_DOCS", ""),
    ("API_PAGES", ""),
    ("API_PAGES", "some"),
    ("API_MAX_BODY_BYTES", "1023"),
    ("API_MAX_BODY_BYTES", "8MB"),
    ("API_MAX_ROWS", "0"),
    ("API_MAX_ROWS", "1.5"),
    ("API_MAX_ROWS", "9" * 5000),
    ("API_MAX_IN_FLIGHT", "-1"),
    ("API_REQUEST_TIMEOUT_SECONDS", "0"),
    ("API_REQUEST_TIMEOUT_SECONDS", "nan"),
    ("API_DRAIN_SECONDS", "inf"),
    ("API_DRAIN_SECONDS", "-1"),
    ("API_WATCH_SECONDS", "often"),
    ("API_ADMIN_TOKEN", "short"),
    ("API_KEY", "fifteen-letters"),
    ("API_KEY", "clé-de-seize-lettres"),
    ("API_MODELS", ""),
    ("API_CORS_ORIGINS", "a.example"),
    ("API_CORS_ORIGINS", "https://a.example/"),
    ("API_CORS_ORIGINS", "https://a.example,*"),
    ("API_CORS_ORIGINS", "https://a.example,,"),
    ("API_CORS_ORIGINS", "https://a.example https://b.example"),
    ("API_REQUIRE", "adult;churn"),
]


def test_defaults_without_variables() -> None:
    assert Settings.from_environment({"PATH": "/bin"}) == Settings()


def test_variables_are_parsed_by_type() -> None:
    texts = {"API_MODELS": "/m", "API_MAX_ROWS": "7", "API_DOCS": "OFF", "API_PAGES": "All"}
    chosen = Settings.from_environment({**texts, "API_WATCH_SECONDS": "0.5"})
    assert (chosen.models, chosen.max_rows) == (Path("/m"), 7)
    assert (chosen.docs, chosen.pages, chosen.watch_seconds) == (False, "all", 0.5)


@pytest.mark.parametrize(("text", "pages"), [("true", "all"), ("1", "all"), ("no", "off")])
def test_pages_are_switched_on_and_off_as_elsewhere(text: str, pages: str) -> None:
    assert Settings.from_environment({"API_PAGES": text}).pages == pages


@pytest.mark.parametrize(("variable", "text"), BAD)
def test_invalid_setting_is_refused_by_name(variable: str, text: str) -> None:
    with pytest.raises(SettingError, match=variable):
        Settings.from_environment({variable: text})


@pytest.mark.parametrize(
    "text", ["", "*", "https://a.example, http://b.example:8080", "http://[::1]:3000"]
)
def test_origins_are_one_star_or_a_list(text: str) -> None:
    assert Settings.from_environment({"API_CORS_ORIGINS": text}).cors_origins == text


def test_error_does_not_contain_the_secret() -> None:
    for text in ("hunter2", "ünprintable-secret"):
        with pytest.raises(SettingError) as caught:
            Settings.from_environment({"API_KEY": text})
        assert text not in str(caught.value)


def test_misspelt_variable_is_matched() -> None:
    found = misspelt({"API_MAX_ROW": "5", "API_KEYS": "x", "API_ROOT": "", "HOME": ""})
    assert found["API_MAX_ROW"] == "API_MAX_ROWS"
    assert "API_ROOT" not in found


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("API_MAX_ROWS", "many", "API_MAX_ROWS=many is not valid"),
        ("MODEL_STORE", "s3:/bucket", "is no model store"),
        ("MODEL_STORE", "foo://bucket/x", "is no model store"),
        ("MODEL_SIGNATURE_KEY", "/no/such/file", "cannot be read"),
        ("MODEL_STORE_TIMEOUT_SECONDS", "0", "of 1 or more"),
    ],
)
def test_invalid_setting_ends_the_start_with_one_line(
    variable: str,
    value: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as ended:
        app_from_environment()
    (line,) = capsys.readouterr().err.splitlines()
    assert (ended.value.code, words in line) == (2, True), line


def test_process_with_an_invalid_setting_prints_no_traceback(tmp_path: Path) -> None:
    variable, text, printed = "API_LOG", "/no/such/directory/log", tmp_path / "printed"
    assert Process(0, {**os.environ, variable: text}, str(printed)).wait(60) == 2
    (line,) = printed.read_text().splitlines()
    assert line.startswith(f"error: {variable}={text} is not valid")


def documented() -> list[str]:
    text = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(?:API|MODEL)_.*$", text, flags=re.MULTILINE)


def test_documented_settings_are_those_of_the_code() -> None:
    expected = []
    for variable, setting in VARIABLES.items():
        default = setting.default
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        shown = f"`{shown}`" if shown else "empty"
        expected.append(f"| `{variable}` | {shown} | {setting.metadata['doc']} |")
    assert documented() == expected, "docs/service.md should have:\n" + "\n".join(expected)
