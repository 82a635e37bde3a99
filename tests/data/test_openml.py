import gzip
import json
import logging
import shutil
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest
from sklearn import datasets
from sklearn.datasets import _openml

from tabproof.config.data_schema import BUILTIN_NAMES
from tabproof.data import load_builtin, load_openml
from tabproof.data.openml import _may_pass
from tabproof.data.target import DataError, UnknownLabelError
from tabproof.errors import UserError
from tests.conftest import OPENML_HOME, needs_openml_home

CREDIT = "openml/openml.org/data/v1/download/31/credit-g.arff.gz"
CREDIT_FEATURES = "openml/openml.org/api/v1/json/data/features/31.gz"
CREDIT_DESCRIPTION = "openml/openml.org/api/v1/json/data/31.gz"


@pytest.fixture
def home(tmp_path):
    """Return a copy: scikit-learn deletes what it finds damaged."""
    return shutil.copytree(OPENML_HOME, tmp_path / "home", copy_function=shutil.copyfile)


@pytest.fixture
def offline(monkeypatch):
    """Send whatever goes out to a port where nobody listens, wherever the tests run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


@pytest.fixture
def waits(monkeypatch):
    """Note how long is waited, and do not wait."""
    noted = []
    monkeypatch.setattr(time, "sleep", noted.append)
    return noted


def _load(name, home, **options):
    version = {"adult": 2, "credit-g": 1}[name]
    return load_openml(name, version, data_home=str(home), **{"n_retries": 0, **options})


# --- a copy is there --------------------------------------------------------------------


@needs_openml_home
@pytest.mark.usefixtures("offline")
def test_the_real_adult_is_loaded_from_a_copy_without_a_network(home):
    table = _load("adult", home, pos_label=">50K")
    assert table.name == "openml_adult"
    assert len(table.y) == 48_842
    missing = table.X.isna().sum()
    assert missing[missing > 0].to_dict() == {
        "workclass": 2_799,
        "occupation": 2_809,
        "native-country": 857,
    }
    assert (table.X.dtypes == "float64").sum() == 6
    assert (table.X.dtypes == "category").sum() == 8
    assert table.labels == ("<=50K", ">50K")
    assert table.y.sum() == 11_687


@needs_openml_home
@pytest.mark.usefixtures("offline")
def test_the_real_credit_g_is_loaded_from_a_copy_without_a_network(home):
    table = _load("credit-g", home, pos_label="bad")
    assert table.name == "openml_credit_g"
    assert table.X.shape == (1_000, 20)
    assert table.X.isna().sum().sum() == 0
    assert table.labels == ("good", "bad")
    assert table.y.sum() == 300


@needs_openml_home
@pytest.mark.usefixtures("offline")
def test_a_positive_label_that_openml_has_not_is_refused_with_those_it_has(home):
    with pytest.raises(UnknownLabelError, match="'class'; its labels: 'bad', 'good'"):
        _load("credit-g", home, pos_label="yes")


@needs_openml_home
@pytest.mark.usefixtures("offline")
def test_loading_writes_nothing_into_a_whole_cache(home):
    before = {path: path.read_bytes() for path in home.rglob("*.gz")}
    _load("credit-g", home)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


# --- no copy, or a damaged one, and no network ------------------------------------------


@pytest.mark.usefixtures("offline")
def test_without_a_copy_and_a_network_the_error_shows_what_works(tmp_path):
    with pytest.raises(DataError) as raised:
        _load("credit-g", tmp_path / "empty")
    message = str(raised.value)
    assert "OpenML 'credit-g' version 1 is not cached in" in message
    assert str(tmp_path / "empty") in message
    assert "go online, or set dataset.data_home to an intact copy" in message
    assert "\n" not in message


@needs_openml_home
@pytest.mark.usefixtures("offline", "waits")
@pytest.mark.parametrize("damage", ["a changed byte", "cut", "no gzip", "nothing"])
@pytest.mark.parametrize("file", [CREDIT, CREDIT_FEATURES, CREDIT_DESCRIPTION])
def test_a_damaged_copy_is_never_used_and_is_called_damaged(home, file, damage):
    path = home / file
    whole = path.read_bytes()
    text = gzip.decompress(whole)
    middle = len(text) // 2
    path.write_bytes(
        {
            "a changed byte": gzip.compress(text[:middle] + b"\x00" + text[middle + 1 :]),
            "cut": whole[: len(whole) // 2],
            "no gzip": b"<html>log in to the hotel's network</html>",
            "nothing": b"",
        }[damage]
    )
    with pytest.raises(DataError) as raised:
        _load("credit-g", home)
    assert "OpenML 'credit-g' version 1 is damaged in" in str(raised.value)
    assert "set dataset.data_home to an intact copy" in str(raised.value)


@needs_openml_home
@pytest.mark.usefixtures("offline")
def test_another_version_than_the_cached_one_is_not_given_instead(home):
    with pytest.raises(DataError, match="'credit-g' version 2"):
        load_openml("credit-g", 2, data_home=str(home), n_retries=0)


@needs_openml_home
@pytest.mark.usefixtures("offline")
def test_a_table_without_a_target_of_its_own_is_the_users_mistake(home):
    path = home / CREDIT_FEATURES
    text = gzip.decompress(path.read_bytes()).decode()
    assert '"is_target": "true"' in text
    path.write_bytes(
        gzip.compress(text.replace('"is_target": "true"', '"is_target": "false"').encode())
    )
    with pytest.raises(UserError, match="credit-g"):
        _load("credit-g", home)


# --- a network that fails ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        (HTTPError("u", 500, "", None, None), True),
        (HTTPError("u", 503, "", None, None), True),
        (HTTPError("u", 599, "", None, None), True),
        (HTTPError("u", 429, "slow down", None, None), True),
        (HTTPError("u", 404, "", None, None), False),
        (HTTPError("u", 412, "no such data set", None, None), False),
        (HTTPError("u", 499, "", None, None), False),
        (URLError("name look-up failed"), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (ValueError("a checksum"), False),
        (PermissionError(13, "cannot write the cache"), False),
    ],
)
def test_network_failures_are_retried_and_refusals_are_not(error, may_pass):
    assert _may_pass(error) == may_pass


class _OpenML(BaseHTTPRequestHandler):
    """Serve the cache's own files, after some failures."""

    home: Path
    failures: list[int]
    requests: list[str]

    def do_GET(self):
        self.requests.append(self.path)
        if self.failures:
            self.send_error(self.failures.pop(0))
            return
        content = (self.home / "openml/openml.org" / f"{self.path.lstrip('/')}.gz").read_bytes()
        if self.path == "/api/v1/json/data/31":
            description = json.loads(gzip.decompress(content))
            fields = description["data_set_description"]
            host = f"http://127.0.0.1:{self.server.server_address[1]}"
            fields["url"] = fields["url"].replace("https://www.openml.org", host)
            content = gzip.compress(json.dumps(description).encode())
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(home, monkeypatch):
    """Run an OpenML on this machine; set its `failures` to status codes to fail with."""
    handler = type("OpenML", (_OpenML,), {"home": home, "failures": [], "requests": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        host = f"http://127.0.0.1:{running.server_address[1]}"
        for name in ("_SEARCH_NAME", "_DATA_INFO", "_DATA_FEATURES", "_DATA_QUALITIES"):
            url = getattr(_openml, name)
            monkeypatch.setattr(_openml, name, url.replace("https://www.openml.org", host))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield handler
        running.shutdown()


@needs_openml_home
def test_what_was_downloaded_once_needs_no_server_again(server, home, tmp_path):
    first = _load("credit-g", tmp_path / "new")
    n_requests = len(server.requests)
    again = _load("credit-g", tmp_path / "new")
    assert n_requests > 0
    assert len(server.requests) == n_requests
    assert first.X.equals(again.X)
    assert first.X.equals(_load("credit-g", home).X)


@needs_openml_home
def test_a_server_that_fails_sometimes_is_requested_again_after_growing_waits(
    server, tmp_path, waits, caplog
):
    # scikit-learn tries each request twice by itself, with a short pause.
    server.failures.extend([503] * 6)
    with caplog.at_level(logging.WARNING):
        table = _load("credit-g", tmp_path / "new", n_retries=4)
    assert len(table.y) == 1_000
    assert [wait for wait in waits if wait >= 1] == [1, 2, 4]
    lines = [message for message in caplog.messages if message.startswith("Retrying")]
    assert len(lines) == 3
    assert "503" in lines[0]
    assert "in 1 seconds" in lines[0]


@needs_openml_home
def test_patience_ends_after_the_retries_that_were_requested(server, tmp_path, waits):
    server.failures.extend([503] * 100)
    with pytest.raises(DataError, match="503"):
        _load("credit-g", tmp_path / "new", n_retries=2)
    assert [wait for wait in waits if wait >= 1] == [1, 2]


@needs_openml_home
@pytest.mark.parametrize("code", [404, 403])
def test_a_refusal_of_the_server_is_not_retried(server, tmp_path, waits, code):
    server.failures.extend([code] * 100)
    with pytest.raises(DataError, match=str(code)):
        _load("credit-g", tmp_path / "new", n_retries=4)
    assert [wait for wait in waits if wait >= 1] == []


# scikit-learn leaves the connection of its first try to the garbage collector, which
# speaks up when it passes by: from Python 3.13 on here, in other tests there.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@needs_openml_home
@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("damage", ["a changed byte", "cut"])
def test_a_damaged_copy_is_downloaded_again_and_logged(tmp_path, caplog, damage):
    cache = tmp_path / "new"
    whole = _load("credit-g", cache)
    path = cache / CREDIT
    text = gzip.decompress(path.read_bytes())
    path.write_bytes(
        gzip.compress(text.replace(b"good", b"evil", 1))
        if damage == "a changed byte"
        else path.read_bytes()[:5000]
    )
    with caplog.at_level(logging.WARNING):
        again = _load("credit-g", cache)
    assert again.X.equals(whole.X)
    assert again.y.tolist() == whole.y.tolist()
    assert "Invalid cache" in caplog.text


@pytest.mark.parametrize("name", BUILTIN_NAMES)
def test_every_built_in_table_that_conf_allows_equals_scikit_learns(name):
    table, bunch = load_builtin(name), getattr(datasets, f"load_{name}")(as_frame=True)
    assert table.name == f"builtin_{name}"
    assert [table.labels[code] for code in table.y] == [
        str(bunch.target_names[code]) for code in bunch.target
    ]
    constant = [column for column in bunch.data if bunch.data[column].nunique() == 1]
    expected = bunch.data.drop(columns=constant).astype("float64")
    assert table.X.equals(expected)


def test_the_positive_label_comes_second():
    assert load_builtin("breast_cancer", "benign").labels == ("malignant", "benign")
    assert load_builtin("breast_cancer", "malignant").labels == ("benign", "malignant")


def test_an_unknown_positive_label_is_refused_with_the_labels():
    with pytest.raises(UnknownLabelError, match="'benign', 'malignant'"):
        load_builtin("breast_cancer", "good")
