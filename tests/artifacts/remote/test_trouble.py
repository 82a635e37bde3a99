"""Each failure of a store is one clear line, in bounded time, and changes nothing."""

import time
from pathlib import Path

import pytest

from tabproof.artifacts.errors import StoreAddressError, StoreError
from tests.artifacts.remote.conftest import A, B, promote
from tests.artifacts.remote.loopback import (
    Between,
    Bucket,
    answering,
    content_of,
    place,
    pull,
    push,
)
from tests.conftest import typed_in

ANSWERS = [
    (403, "RequestTimeTooSkewed", "this machine's clock is wrong"),
    (
        403,
        "AccessDenied",
        r"these credentials may not do that, or it is not there \(AccessDenied\)",
    ),
    (403, "InvalidAccessKeyId", r"does not accept these credentials \(InvalidAccessKeyId\)"),
    (403, "SignatureDoesNotMatch", "does not accept these credentials"),
    (400, "ExpiredToken", "does not accept these credentials"),
    (401, "Unauthorized", "these credentials may not do that"),
    (301, "PermanentRedirect", "another region; set AWS_REGION"),
    (400, "AuthorizationHeaderMalformed", "another region; set AWS_REGION"),
    (503, "SlowDown", r"it answers 503 Service Unavailable \(SlowDown\)"),
    (501, "NotImplemented", "it answers 501 Not Implemented"),
]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        pytest.param(*answer, id=answer[1], marks=[pytest.mark.slow] * (answer[0] == 501))
        for answer in ANSWERS
    ],
)
@pytest.mark.usefixtures("endpoint")
def test_an_error_of_the_store_is_one_line(
    status: int, code: str, words: str, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content_of(models)
    with answering(status, code) as elsewhere:
        monkeypatch.setenv("AWS_ENDPOINT_URL", elsewhere)
        with pytest.raises(StoreError, match=words) as caught:
            # 500 and above are tried again until two thirds of the time are over.
            pull("s3://bucket/models", models, seconds=4)
    message = str(caught.value)
    assert message.startswith("model store: s3://bucket/models/wine/pointer.json: ")
    assert len(message.splitlines()) == 1
    assert len(message) < 250
    assert content_of(models) == before


def test_a_missing_bucket(endpoint: str, models: Path) -> None:
    assert endpoint
    for act in (push, pull):
        with pytest.raises(StoreError, match="there is no such bucket"):
            act("s3://no-such-bucket/models", models)
    with pytest.raises(StoreError, match="there is no such bucket"):
        place("s3://no-such-bucket/models").names()


def test_a_server_that_cannot_be_reached(
    models: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    begun = time.monotonic()
    with pytest.raises(StoreError, match=r"cannot be reached|in time"):
        pull("s3://bucket/models", models, seconds=1)
    assert time.monotonic() - begun < 2


def test_incomplete_credentials(
    bucket: Bucket, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match="no credentials were found"):
        push(bucket.address, models)


@pytest.mark.parametrize(("how", "where"), [("stall", "pointer.json"), ("drip", "scorer/arrays")])
def test_a_store_that_does_not_answer_is_given_up_in_time(
    how: str, where: str, bucket: Bucket, between: Between, models: Path, tmp_path: Path
) -> None:
    push(bucket.address, models)
    between.decide = lambda _, path: how if path.endswith(where) else "pass"
    begun = time.monotonic()
    with pytest.raises(StoreError, match="it does not answer in time"):
        pull(bucket.address, tmp_path / "other", seconds=1.0)
    assert time.monotonic() - begun < 2.0
    assert not (tmp_path / "other/wine/pointer.json").exists()


def test_a_broken_connection_is_tried_again(
    bucket: Bucket, between: Between, models: Path, tmp_path: Path
) -> None:
    broken: set[str] = set()

    def once_each(method: str, path: str) -> str:
        request = f"{method} {path}"
        if request in broken:
            return "pass"
        broken.add(request)
        return "cut"

    between.decide = once_each
    push(bucket.address, models)
    pull(bucket.address, tmp_path / "other")
    assert content_of(tmp_path / "other") == content_of(models)
    # Pointer, manifest and five files are written and read; signature and challenges looked for.
    assert len(broken) == 16


def test_a_pointer_written_although_the_answer_was_lost_is_no_conflict(
    bucket: Bucket, between: Between, models: Path, tmp_path: Path
) -> None:
    lost: list[str] = []

    def lose(method: str, path: str) -> str:
        if method == "PUT" and path.endswith("pointer.json") and not lost:
            lost.append(path)
            # The pointer is written, but the client gets no answer.
            bucket.write("wine/pointer.json", (models / "wine/pointer.json").read_bytes())
            return "cut"
        return "pass"

    between.decide = lose
    assert push(bucket.address, models).moved
    assert lost
    assert pull(bucket.address, tmp_path / "other").manifest.run_id == A


def test_an_empty_store_has_no_names(address: str) -> None:
    assert place(address).names() == []
    assert place(address).read("pointer.json", 10) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s3://",
        "s3:///prefix",
        "s3:/bucket",
        "s3:bucket",
        "s3://b/../c",
        "gs://",
        "://b",
        "https://key:secret@host/b",
        "s3://b/p?x=1",
        "s3://b/p#x",
    ],
)
def test_an_invalid_address_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(StoreAddressError) as caught:
        place(text)
    assert "secret" not in str(caught.value)


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(StoreAddressError, match="foo://bucket"):
        place("foo://bucket/p")


def test_a_parsed_address_is_shown_as_it_was_given(tmp_path: Path) -> None:
    for text in ("s3://bucket/a/b", "memory://m", str(tmp_path)):
        assert place(text).address == text
    assert place("s3://bucket/a/").address == "s3://bucket/a"
    assert place(f"file://{tmp_path}").address == str(tmp_path)


def test_push_and_pull_commands(
    bucket: Bucket, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, other = f"--models={models}", f"--models={tmp_path / 'other'}"
    pushed = typed_in("runs", "push", "wine", here, "--store", bucket.address)
    assert (pushed.returncode, pushed.stderr) == (0, "")
    assert f"pushed    wine {A} to {bucket.address}" in pushed.stdout
    nowhere = typed_in("runs", "push", "wine", here)
    assert (nowhere.returncode, len(nowhere.stderr.splitlines())) == (2, 1)
    assert "MODEL_STORE must be given" in nowhere.stderr
    monkeypatch.setenv("MODEL_STORE", bucket.address)
    pulled = typed_in("runs", "pull", "wine", other)
    assert (pulled.returncode, pulled.stderr) == (0, "")
    assert "5 fetched, each as it was sealed" in pulled.stdout
    promote(models, B)
    typed_in("runs", "push", "wine", here, "--store", bucket.address)
    bucket.remove(f"wine/versions/{B}/scorer/arrays")
    torn = typed_in("runs", "pull", "wine", other)
    assert (torn.returncode, len(torn.stderr.splitlines())) == (1, 1)
    assert "scorer/arrays: it is missing" in torn.stderr
