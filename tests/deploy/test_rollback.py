"""Rollback: to which revision, what is refused, and that repeating it changes nothing."""

import pytest

from tests.deploy.cloud import STACK, Cloud, address_of, digest_of, some_by_default
from tests.deploy.conftest import Invoke
from tests.deploy.front import DENIED

CALLS = [
    "DescribeStacks",
    "DescribeServices",
    "DescribeTaskDefinition",
    "ListTaskDefinitions",
    "DescribeTaskDefinition",
    "DescribeImages",
    "UpdateService",
    "DescribeServices",
    "DescribeServices",
]


def test_rollback_returns_to_the_previous_revision_and_waits(cloud: Cloud, invoke: Invoke) -> None:
    result = invoke("rollback")
    assert (result.code, result.err) == (0, "")
    assert cloud.running() == 2
    assert cloud.front.calls == CALLS
    first, *_, one_but_last, last = result.out.splitlines()
    assert (
        first == f"revision 3 ({digest_of('ccc')[7:19]}) -> revision 2 ({digest_of('bbb')[7:19]})"
    )
    assert f"deploy --image {digest_of('bbb')} makes this permanent" in one_but_last
    assert "rollback --to N" in last


def test_second_rollback_does_not_go_back_further(cloud: Cloud, invoke: Invoke) -> None:
    assert invoke("rollback").code == 0
    before = len(cloud.front.calls)
    again = invoke("rollback")
    assert again.code == 0
    assert again.out.startswith("nothing to do: the service runs revision 2")
    assert cloud.running() == 2
    assert "UpdateService" not in cloud.front.calls[before:]


def test_repeated_rollback_waits_for_the_running_one(cloud: Cloud, invoke: Invoke) -> None:
    cloud.front.fails[7] = DENIED
    assert invoke("rollback").code == 1
    cloud.front.fails.clear()
    result = invoke("rollback")
    assert result.code == 0
    assert "revision 2: COMPLETED" in result.out
    assert cloud.front.calls.count("UpdateService") == 1


@pytest.mark.parametrize(
    "words", [("--to", "1"), ("--image", "aaa"), ("--image", digest_of("aaa"))]
)
def test_rollback_to_a_named_revision_or_image(
    cloud: Cloud, invoke: Invoke, words: tuple[str, str]
) -> None:
    result = invoke("rollback", *words)
    assert (result.code, result.err) == (0, "")
    assert cloud.running() == 1
    assert cloud.revisions() == [1, 2, 3]


@pytest.mark.parametrize(
    "words", [("--to", "3"), ("--image", "ccc"), ("--image", address_of("ccc"))]
)
def test_revision_that_already_runs_is_not_replaced(
    cloud: Cloud, invoke: Invoke, words: tuple[str, str]
) -> None:
    result = invoke("rollback", *words)
    assert result.code == 0
    assert result.out.startswith("nothing to do: the service runs revision 3")
    assert "UpdateService" not in cloud.front.calls


def test_rollback_can_go_forward_again(cloud: Cloud, invoke: Invoke) -> None:
    cloud.put_service_on(2)
    result = invoke("rollback", "--to", "3")
    assert result.code == 0
    assert cloud.running() == 3
    assert "makes this permanent" not in result.out


def test_image_without_a_revision_gets_a_copy_that_differs_in_the_image_only(
    cloud: Cloud, invoke: Invoke
) -> None:
    cloud.push("zzz")
    assert invoke("rollback", "--image", "zzz").code == 0
    assert cloud.running() == 4
    container = cloud.backend.task_definitions[STACK][4].container_definitions[0]
    model = cloud.backend.task_definitions[STACK][3].container_definitions[0]
    assert container == {**model, "image": address_of("zzz")}
    # Result again it finds the copy.
    assert invoke("rollback", "--image", "zzz").code == 0
    assert cloud.revisions() == [1, 2, 3, 4]


def test_copy_whose_rollout_did_not_start_is_reused(cloud: Cloud, invoke: Invoke) -> None:
    cloud.push("zzz")
    cloud.front.fails["UpdateService"] = DENIED
    assert invoke("rollback", "--image", "zzz").code == 1
    cloud.front.fails.clear()
    assert invoke("rollback", "--image", "zzz").code == 0
    assert cloud.revisions() == [1, 2, 3, 4]


class TestRefuses:
    def test_rollback_without_an_earlier_revision(self, cloud: Cloud, invoke: Invoke) -> None:
        cloud.put_service_on(1)
        cloud.let_the_stack_say(1)
        result = invoke("rollback")
        assert result.code == 2
        assert "no ACTIVE revision before 1: there is nothing to go back to" in result.err

    @pytest.mark.parametrize(
        ("number", "reason"), [("9", "is not there"), ("1", "is INACTIVE (deregistered)")]
    )
    def test_revision_that_cannot_run(
        self, cloud: Cloud, invoke: Invoke, number: str, reason: str
    ) -> None:
        cloud.client("ecs").deregister_task_definition(taskDefinition=f"{STACK}:1")
        result = invoke("rollback", "--to", number)
        assert result.code == 2
        assert f"revision {number} of mlops {reason}; ACTIVE are 3, 2" in result.err

    @pytest.mark.usefixtures("cloud")
    def test_unknown_tag_and_lists_the_existing_ones(self, invoke: Invoke) -> None:
        result = invoke("rollback", "--image", "nix")
        assert result.code == 2
        assert "there is no image 'nix' in" in result.err
        assert {"aaa", "bbb", "ccc"} <= set(result.err.replace(",", "").split())

    def test_deleted_image(self, cloud: Cloud, invoke: Invoke) -> None:
        cloud.remove_image("bbb")
        result = invoke("rollback")
        assert result.code == 2
        assert "revision 2 of mlops cannot start: its image" in result.err

    @pytest.mark.usefixtures("cloud")
    def test_image_of_another_repository(self, invoke: Invoke) -> None:
        result = invoke("rollback", "--image", "docker.io/library/nginx:1")
        assert result.code == 2
        assert "tasks may fetch from there only" in result.err

    def test_rollback_during_a_change_of_the_stack(self, cloud: Cloud, invoke: Invoke) -> None:
        cloud.stack.status = "UPDATE_IN_PROGRESS"
        result = invoke("rollback")
        assert result.code == 2
        assert "aws cloudformation cancel-update-stack --stack-name mlops" in result.err
        assert cloud.front.calls == ["DescribeStacks"]

    @pytest.mark.usefixtures("empty")
    def test_missing_stack(self, invoke: Invoke) -> None:
        result = invoke("rollback")
        assert result.code == 2
        assert result.err == (
            "error: there is no stack 'mlops' in eu-west-1; python -m deploy deploy makes it\n"
        )

    @pytest.mark.parametrize("words", [("--to", "0"), ("--to", "2", "--image", "aaa")])
    def test_invalid_arguments(self, cloud: Cloud, invoke: Invoke, words: tuple[str, ...]) -> None:
        result = invoke("rollback", *words)
        assert result.code == 2
        assert len(result.err.splitlines()) == 1
        assert cloud.front.calls == []

    # After a refusal nothing has changed, wherever it came.
    def test_refused_rollback_changes_nothing(self, cloud: Cloud, invoke: Invoke) -> None:
        cloud.remove_image("aaa")
        for words in ((), ("--to", "9"), ("--to", "1"), ("--image", "nix")):
            if words:
                assert invoke("rollback", *words).code == 2
        assert cloud.running() == 3
        assert "UpdateService" not in cloud.front.calls


class TestTheRollout:
    def test_rollout_stopped_by_the_circuit_breaker_is_a_failure(
        self, cloud: Cloud, invoke: Invoke
    ) -> None:
        cloud.rollout = ["IN_PROGRESS", "FAILED"]
        result = invoke("rollback")
        assert result.code == 1
        assert "did not take revision 2: ECS deployment circuit breaker" in result.err
        assert "it is on revision 3" in result.err

    def test_rollout_that_never_ends_reaches_the_time_limit_and_continues(
        self, cloud: Cloud, invoke: Invoke
    ) -> None:
        cloud.rollout = ["IN_PROGRESS"]
        result = invoke("rollback", "--limit", "0.001")
        assert result.code == 1
        assert "is not over after 0.001 minutes (--limit)" in result.err
        assert "AWS continues what was begun: python -m deploy status" in result.err

    def test_restart_replaces_tasks_of_the_same_revision(
        self, cloud: Cloud, invoke: Invoke
    ) -> None:
        result = invoke("restart")
        assert result.code == 0, result.err
        assert "new tasks of revision 3" in result.out
        assert cloud.front.calls.count("UpdateService") == 1


@pytest.mark.parametrize(
    "number", some_by_default(range(len(CALLS)), 0, CALLS.index("UpdateService"), len(CALLS) - 1)
)
def test_any_failing_call_is_reported_in_one_line(
    cloud: Cloud, invoke: Invoke, number: int
) -> None:
    cloud.front.fails[number] = DENIED
    result = invoke("rollback")
    assert result.code == 1
    assert len(result.err.splitlines()) == 1
    assert result.err.startswith(f"error: AWS denies {CALLS[number]}: User: arn:aws:iam::1:user/x")
    # It ended there: no call after the one that failed, and no rollout unless it was begun.
    assert cloud.front.calls == CALLS[: number + 1]
    assert cloud.running() == (2 if number > CALLS.index("UpdateService") else 3)
    assert ("AWS continues" in result.err) == (number > CALLS.index("UpdateService"))
    # Result again it does what was asked.
    cloud.front.fails.clear()
    assert invoke("rollback").code == 0
    assert cloud.running() == 2
