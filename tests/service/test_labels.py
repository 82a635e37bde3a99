"""Labels that come later, by POST /labels: who may send them, and what is written when."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tabproof.service.answers import RefusedError
from tabproof.service.labels import Labels
from tabproof.service.settings import Settings
from tests.service.serving import TOKEN, Reply, Server

LABELS_TOKEN = "a-token-for-labels-only"  # noqa: S105 - only for tests
WHEN = "2026-11-30T12:00:00+01:00"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labels")


@pytest.fixture(scope="module")
def taking(promoted: Path, logs: Path) -> Iterator[Server]:
    """Serve with a log, in logs/log."""
    settings = {"prediction_log": str(logs / "log"), "labels_token": LABELS_TOKEN}
    with Server(promoted, default_model="table", max_rows="100", **settings) as server:
        yield server


def send(server: Server, body: Any, token: str = LABELS_TOKEN, **headers: str) -> Reply:
    return server.post("/labels", body, Authorization=f"Bearer {token}", **headers)


def entries(*labels: dict[str, Any]) -> dict[str, Any]:
    return {"labels": list(labels)}


def read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path / "labels")


def test_labels_are_written_before_the_answer(taking: Server, logs: Path) -> None:
    body = entries(
        {"request_id": "first", "label": "yes", "at": WHEN},
        {"request_id": "first", "row": 7, "label": 1},
        {"request_id": "first", "row": 8, "label": 2.0},
        {"request_id": "first", "row": 9, "label": True},
    )
    answer = send(taking, body)
    found = read(logs / "log").query("request_id == 'first'")
    assert (answer.status, answer.json) == (200, {"accepted": 4})
    assert found["row"].tolist() == [0, 7, 8, 9]
    # As training names the categories of a target.
    assert found["label"].tolist() == ["yes", "1", "2", "True"]
    assert found["at"].iloc[0] == pd.Timestamp("2026-11-30T11:00:00Z")
    assert found["at"].isna().tolist() == [False, True, True, True]
    assert found["received"].notna().all()


def test_both_tokens_are_accepted_and_no_other(taking: Server) -> None:
    body = entries({"request_id": "token", "label": "yes"})
    assert send(taking, body, TOKEN).status == 200
    for token in ("", "another-token-of-letters"):
        answer = send(taking, body, token)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    # The key of predictions is no token for labels.
    assert taking.post("/labels", body).status == 401


def test_without_a_log_or_a_token_the_answer_says_what_to_set(
    server: Server,
) -> None:
    answer = send(server, entries())
    assert answer.status == 403
    assert "API_PREDICTION_LOG" in answer.json["detail"]
    assert "API_LABELS_TOKEN" in answer.json["detail"]
    assert "/labels" not in server.get("/openapi.json").json["paths"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"label": "yes"}, "request_id"),
        ({"request_id": "a"}, "label"),
        ({"request_id": "a b", "label": "yes"}, "labels[1].request_id"),
        ({"request_id": "", "label": "yes"}, "labels[1].request_id"),
        ({"request_id": "a", "label": None}, "labels[1].label"),
        ({"request_id": "a", "label": ""}, "labels[1].label"),
        ({"request_id": "a", "label": ["yes"]}, "labels[1].label"),
        ({"request_id": "a", "label": "yes", "row": -1}, "labels[1].row"),
        ({"request_id": "a", "label": "yes", "row": 2**31}, "labels[1].row"),
        ({"request_id": "a", "label": "yes", "row": "1"}, "labels[1].row"),
        ({"request_id": "a", "label": "yes", "at": "yesterday"}, "labels[1].at"),
        ({"request_id": "a", "label": "yes", "at": "2026-11-30T12:00:00"}, "labels[1].at"),
        ({"request_id": "a", "label": "yes", "when": WHEN}, "when"),
    ],
)
def test_a_malformed_entry_is_named_and_nothing_is_written(
    entry: dict[str, Any], words: str, taking: Server, logs: Path
) -> None:
    answer = send(taking, entries({"request_id": "malformed", "label": "yes"}, entry))
    assert answer.status == 422
    assert words in answer.json["detail"]
    if (logs / "log" / "labels").exists():
        assert "malformed" not in set(read(logs / "log")["request_id"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"labels": [], "labels": []}', 400),
        (b"\xff", 400),
        ([], 422),
        ({}, 422),
        (entries(*[{"request_id": "a", "label": "yes"}] * 101), 413),
        (b'{"labels": [' + b"{}," * 2000 + b"{}]}", 413),
        (b" " * (9 * 2**20), 413),
    ],
)
def test_other_bodies_are_refused(body: Any, status: int, taking: Server) -> None:
    assert send(taking, body).status == status


def test_no_labels_are_accepted_as_none(taking: Server) -> None:
    assert send(taking, entries()).json == {"accepted": 0}


def test_the_path_takes_post_and_json_only(taking: Server) -> None:
    assert taking.get("/labels").status == 405
    headers = {"Content-Type": "text/csv", "Authorization": f"Bearer {LABELS_TOKEN}"}
    assert taking.request("POST", "/labels", b"{}", headers).status == 415


def test_the_document_describes_it(taking: Server) -> None:
    document = taking.get("/openapi.json").json
    operation = document["paths"]["/labels"]["post"]
    assert operation["security"] == [{"admin": []}]
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert reference.endswith("/LabelsIn")
    assert set(operation["responses"]) >= {"200", "401", "403", "422", "503"}


def test_the_line_of_the_request_log_has_their_number(taking: Server) -> None:
    body = entries(*[{"request_id": "line", "label": "yes"}] * 3)
    send(taking, body, **{"X-Request-Id": "labels-1"})
    line = taking.logged("labels-1")
    assert (line["route"], line["status"], line["rows"]) == ("/labels", 200, 3)


# --- What is written together


class Slow:
    """A log whose first file takes a while; `fails`: it cannot be written."""

    def __init__(self, *, fails: bool = False) -> None:
        self.files: list[list[str]] = []
        self._fails = fails

    def write_labels(self, entries: Any) -> None:
        if self._fails:
            raise OSError(28, "No space left on device")
        self.files.append([entry.request_id for entry in entries])


def body_of(request_id: str) -> bytes:
    return json.dumps(entries({"request_id": request_id, "label": "yes"})).encode()


def test_requests_that_come_together_share_files() -> None:
    log: Any = Slow()

    async def send_all() -> list[int]:
        labels = Labels(Settings(labels_token=LABELS_TOKEN), log)
        return await asyncio.gather(*(labels.accept(body_of(f"r{n}")) for n in range(50)))

    assert asyncio.run(send_all()) == [1] * 50
    assert len(log.files) <= 3
    assert sorted(each for file in log.files for each in file) == sorted(f"r{n}" for n in range(50))


def test_labels_that_cannot_be_written_are_a_503_and_the_next_try_works() -> None:
    log: Any = Slow(fails=True)

    async def send_twice() -> int:
        labels = Labels(Settings(labels_token=LABELS_TOKEN), log)
        with pytest.raises(RefusedError, match="No space left on device") as caught:
            await labels.accept(body_of("a"))
        assert caught.value.status == 503
        log._fails = False
        return await labels.accept(body_of("a"))

    assert asyncio.run(send_twice()) == 1
    assert log.files == [["a"]]
