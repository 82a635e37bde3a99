"""Every failure of AWS is one line that says what to do, and nothing is left half-done."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import aws
from tests.deploy.cloud import STACK, Cloud
from tests.deploy.conftest import Invoke
from tests.deploy.front import Failure

ROOT = Path(__file__).parents[2]
VERBS = [
    ("deploy", "--yes"),
    ("status",),
    ("rollback",),
    ("restart",),
    ("teardown", "--yes", "--delete-data"),
]

# Each as AWS answers it: the code, the message and the status are those of its services.
SKEWED = Failure(
    "RequestTimeTooSkewed",
    "The difference between the request time and the current time is too large.",
    403,
    clock=20 * 60,
)
EXPIRED_SIGNATURE = Failure(
    "SignatureDoesNotMatch",
    "Signature expired: 20261123T120000Z is now earlier than 20261123T121500Z",
    403,
    clock=20 * 60,
)
EARLY_SIGNATURE = Failure(
    "InvalidSignatureException",
    "Signature not yet current: 20261123T140000Z is still later than 20261123T121500Z",
    400,
    clock=-20 * 60,
)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_no_command_continues_after_a_denied_call(
    empty: Cloud, invoke: Invoke, verb: tuple[str, ...]
) -> None:
    empty.front.fails["DescribeStacks"] = SKEWED
    result = invoke(*verb)
    assert result.code == 1
    assert "this machine's clock is 20 minutes behind AWS's" in result.err
    assert empty.front.calls == ["DescribeStacks"]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (SKEWED, "this machine's clock is 20 minutes behind AWS's, so that AWS refused"),
        (EXPIRED_SIGNATURE, "this machine's clock is 20 minutes behind AWS's"),
        (EARLY_SIGNATURE, "this machine's clock is 20 minutes ahead of AWS's"),
        (
            Failure("SignatureDoesNotMatch", "The request signature does not match", 403),
            "AWS does not accept these credentials (DescribeStacks: SignatureDoesNotMatch)",
        ),
        (
            Failure("ExpiredToken", "The security token included in the request is expired", 403),
            "sign in again",
        ),
        (
            Failure("AccessDenied", "User: x is not authorized to perform: y", 403),
            "AWS denies DescribeStacks: User: x is not authorized to perform: y",
        ),
        (Failure("Throttling", "Rate exceeded", 400), "Rate exceeded (Throttling)"),
        (Failure("InternalFailure", "", 500), "AWS refused DescribeStacks"),
    ],
    ids=lambda value: value.code if isinstance(value, Failure) else "",
)
def test_denied_call_is_reported(
    empty: Cloud, invoke: Invoke, failure: Failure, reason: str
) -> None:
    empty.front.fails["DescribeStacks"] = failure
    result = invoke("status")
    assert result.code == 1
    assert reason in result.err
    assert len(result.err.splitlines()) == 1
    assert empty.front.calls == ["DescribeStacks"]


class TestBeforeAnyCall:
    def test_missing_credentials(
        self, empty: Cloud, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        result = invoke("deploy", "--yes")
        assert result.code == 2
        assert result.err.startswith("error: no credentials for AWS (none found): sign in")
        assert empty.front.calls == []

    def test_incomplete_credentials(
        self, empty: Cloud, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        result = invoke("status")
        assert result.code == 2
        assert "no credentials for AWS (Partial credentials found in env" in result.err
        assert empty.front.calls == []

    def test_unknown_profile(self, empty: Cloud, invoke: Invoke) -> None:
        result = invoke("status", "--profile", "nobody")
        assert result.code == 2
        assert "The config profile (nobody) could not be found" in result.err
        assert empty.front.calls == []

    def test_missing_region(
        self, empty: Cloud, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_REGION")
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        result = invoke("status")
        assert result.code == 2
        assert result.err == "error: no region: give --region, or set AWS_REGION\n"
        assert empty.front.calls == []

    @pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
    def test_unknown_region(self, empty: Cloud, invoke: Invoke, verb: tuple[str, ...]) -> None:
        result = invoke(*verb, "--region", "eu-wst-1")
        assert result.code == 2
        assert "there is no region 'eu-wst-1'; did you mean eu-west-1 or" in result.err
        assert empty.front.calls == []


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_both_region_variables_work(
    empty: Cloud, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv(variable, "us-west-2")
    assert "no stack 'mlops' in us-west-2" in invoke("status").err
    assert empty.front.calls == ["DescribeStacks"]


class TestWithoutAnAnswer:
    def test_refused_connection(
        self, empty: Cloud, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        empty.front.close()
        monkeypatch.setenv("AWS_ENDPOINT_URL", empty.front.url)
        result = invoke("rollback")
        assert result.code == 1
        assert "AWS cannot be reached: Could not connect to the endpoint URL" in result.err
        assert len(result.err.splitlines()) == 1
        # The fixture closes it once more.
        empty.front.close = lambda: None  # type: ignore[method-assign]

    def test_response_after_the_timeout(
        self, cloud: Cloud, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(aws, "READ_TIMEOUT", 0.5)
        cloud.front.fails["UpdateService"] = Failure("x", "x", seconds=1.5)
        result = invoke("rollback")
        assert result.code == 1
        assert "AWS cannot be reached: Read timeout on endpoint URL" in result.err
        assert cloud.running() == 3

    def test_response_that_is_not_from_aws(self, cloud: Cloud, invoke: Invoke) -> None:
        cloud.front.after["DescribeStacks"] = lambda _: b"<html>sign in to this network"
        result = invoke("status")
        assert result.code == 1
        assert "the response is not from AWS, or incomplete" in result.err


def test_throttled_call_is_repeated(
    empty: Cloud, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    empty.front.fails[0] = Failure("Throttling", "Rate exceeded")
    result = invoke("status")
    assert empty.front.calls == ["DescribeStacks"] * 2
    assert result.code == 2


def test_interrupted_wait_shows_what_continues(
    cloud: Cloud, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deploy.waiting.time.sleep", interrupt)
    result = invoke("rollback")
    assert result.code == 130
    assert result.err == (
        "error: interrupted; AWS continues what was begun: python -m deploy status\n"
    )
    assert cloud.running() == 2


def test_program_ends_with_one_line_and_an_exit_code(empty: Cloud) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy", "status", "--stack", "absent"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: there is no stack 'absent' in eu-west-1; python -m deploy deploy makes it"
    ]
    assert empty.front.calls == ["DescribeStacks"]


def test_deploying_needs_neither_training_nor_serving_packages() -> None:
    heavy = {"numpy", "pandas", "sklearn", "hydra", "omegaconf", "fastapi", "starlette", "msgspec"}
    words = f"import sys, deploy.__main__; print(*(set({sorted(heavy)!r}) & sys.modules.keys()))"
    loaded = subprocess.run(
        [sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []


def test_every_error_has_a_message_and_a_failing_exit_code() -> None:
    from deploy import errors
    from tabproof.errors import UserError

    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, UserError) and kind is not UserError
    ]
    assert len(kinds) > 20
    for kind in kinds:
        assert kind.exit_code in (1, 2)
        assert kind.__doc__
        error = errors.StackBusyError(STACK, "UPDATE_IN_PROGRESS")
        assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own
