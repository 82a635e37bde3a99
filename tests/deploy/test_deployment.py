"""Deploying: the order of calls, what is refused, and that nothing is left half-done."""

from pathlib import Path

import pytest

from tests.deploy.cloud import BUCKET, STACK, Cloud, address_of, digest_of, some_by_default
from tests.deploy.conftest import Answer, Invoke
from tests.deploy.front import DENIED, Failure

FIRST = [
    "DescribeStacks",
    "GetCallerIdentity",
    "CreateChangeSet",
    "DescribeChangeSet",
    "DescribeStackEvents",
    "ExecuteChangeSet",
    "DescribeStacks",
    "DescribeStackEvents",
]
NEXT = ["DescribeStacks", "DescribeImages", *FIRST[1:]]
WITHDRAWN = ["DeleteChangeSet"]
WITHDRAWN_FIRST = ["DeleteChangeSet", "DescribeStacks", "DeleteStack"]


def stacks(cloud: Cloud) -> list[str]:
    found = cloud.client("cloudformation").describe_stacks()["Stacks"]
    return [stack["StackStatus"] for stack in found]


def change_sets(cloud: Cloud) -> list[str]:
    found = cloud.client("cloudformation").list_change_sets(StackName=STACK)["Summaries"]
    return [each["ExecutionStatus"] for each in found]


def test_first_deployment_makes_everything_except_the_service(empty: Cloud, invoke: Invoke) -> None:
    result = invoke("deploy", "--yes")
    assert (result.code, result.err) == (0, "")
    assert empty.front.calls == FIRST
    assert stacks(empty) == ["CREATE_COMPLETE"]
    assert "Add      Repository  AWS::ECR::Repository" in result.out
    assert "no service yet: push an image, then python -m deploy deploy --image TAG" in result.out
    assert empty.client("ecr").describe_repositories()["repositories"]
    assert not empty.backend.services


def test_new_stack_takes_over_the_data_of_an_earlier_one(empty: Cloud, invoke: Invoke) -> None:
    assert invoke("deploy", "--yes").code == 0
    # CloudFormation imports only what is named in letters.
    sent = empty.stack.template
    assert f'BucketName: "{BUCKET}"\n' in sent
    assert 'RepositoryName: "mlops/api"\n' in sent
    assert f'LogGroupName: "/ecs/{STACK}"\n' in sent


def test_an_image_is_deployed_by_its_digest(cloud: Cloud, invoke: Invoke) -> None:
    cloud.push("ddd")
    result = invoke("deploy", "--yes", "--image", "ddd")
    assert (result.code, result.err) == (0, "")
    assert cloud.front.calls == NEXT
    assert cloud.stack.stack_parameters["ImageUri"] == address_of("ddd")
    assert "stack 'mlops' is UPDATE_COMPLETE" in result.out
    assert f"BucketName       {STACK}-models-" in result.out


def test_parameters_that_are_not_given_keep_their_values(cloud: Cloud, invoke: Invoke) -> None:
    assert invoke("deploy", "--yes", "--set", "MaxTasks=9").code == 0
    assert invoke("deploy", "--yes", "--set", "MinTasks=2").code == 0
    found = cloud.stack.stack_parameters
    assert (found["MinTasks"], found["MaxTasks"]) == (2, 9)
    assert found["ImageUri"] == address_of("ccc")


@pytest.mark.parametrize(
    "text", ["MaxTasks: 7\nServeDocs: false", '{"MaxTasks": 7, "ServeDocs": false}']
)
def test_flags_override_the_parameter_file(
    cloud: Cloud, invoke: Invoke, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "parameters"
    file.write_text(text)
    assert invoke("deploy", "--yes", "--parameters", str(file), "--set", "MaxTasks=8").code == 0
    assert cloud.stack.stack_parameters["ServeDocs"] == "false"
    assert cloud.stack.stack_parameters["MaxTasks"] == 8


def test_deployment_without_changes_leaves_no_change_set(cloud: Cloud, invoke: Invoke) -> None:
    assert invoke("deploy", "--yes", "--image", "bbb").code == 0
    before = change_sets(cloud)
    result = invoke("deploy", "--yes", "--image", "bbb")
    assert result.code == 0
    assert result.out.startswith("no changes: the stack is up to date")
    assert change_sets(cloud) == before


class TestConfirmation:
    def test_declined_changes_are_not_made(
        self, cloud: Cloud, invoke: Invoke, answer: Answer
    ) -> None:
        answer("no\n")
        result = invoke("deploy", "--image", "bbb")
        assert result.code == 0
        assert "Modify" in result.out
        assert result.out.endswith("nothing was changed\n")
        assert "of stack 'mlops': continue? [y/N]" in result.err
        assert change_sets(cloud) == []
        assert "ExecuteChangeSet" not in cloud.front.calls

    def test_confirmed_changes_are_made(self, cloud: Cloud, invoke: Invoke, answer: Answer) -> None:
        answer("y\n")
        assert invoke("deploy", "--image", "bbb").code == 0
        assert cloud.stack.stack_parameters["ImageUri"] == address_of("bbb")

    def test_declined_first_stack_leaves_nothing(self, empty: Cloud, invoke: Invoke) -> None:
        result = invoke("deploy", "--dry-run")
        assert result.code == 0
        assert "Add      Repository" in result.out
        assert stacks(empty) == []

    def test_without_a_terminal_nothing_is_sent(self, cloud: Cloud, invoke: Invoke) -> None:
        result = invoke("deploy", "--image", "bbb")
        assert result.code == 2
        assert "there is no terminal to ask at; --yes continues without asking" in result.err
        assert cloud.front.calls == []


class TestRefuses:
    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (("--set", "MaxTask=2"), "no parameter 'MaxTask'; did you mean MaxTasks or"),
            (("--set", "MaxTasks"), "--set MaxTasks cannot work; it takes Name=value"),
            (("--set", "ImageUri=x:1"), "it takes --image instead"),
            (("--parameters", "absent.yaml"), "absent.yaml: No such file or directory"),
            (("--stack", "Ups_1"), "--stack Ups_1 cannot work; it takes a lowercase letter"),
            (("--limit", "-1"), "argument --limit: invalid"),
        ],
    )
    def test_invalid_arguments_before_any_call(
        self, empty: Cloud, invoke: Invoke, words: tuple[str, ...], reason: str
    ) -> None:
        result = invoke("deploy", "--yes", *words)
        assert result.code == 2
        assert reason in result.err
        assert len(result.err.splitlines()) == 1
        assert empty.front.calls == []

    @pytest.mark.parametrize("text", ["- a", "a: [", "a: {b: 1}", "\ud800"])
    def test_file_without_parameters(
        self, empty: Cloud, invoke: Invoke, tmp_path: Path, text: str
    ) -> None:
        file = tmp_path / "parameters"
        file.write_bytes(text.encode("utf-16", "surrogatepass"))
        if text != "\ud800":
            file.write_text(text)
        result = invoke("deploy", "--yes", "--parameters", str(file))
        assert result.code == 2
        assert len(result.err.splitlines()) == 1
        assert empty.front.calls == []

    def test_missing_image(self, cloud: Cloud, invoke: Invoke) -> None:
        result = invoke("deploy", "--yes", "--image", "nix")
        assert result.code == 2
        assert "there is no image 'nix' in" in result.err
        assert cloud.front.calls == ["DescribeStacks", "DescribeImages", "DescribeImages"]

    def test_image_without_a_repository(self, empty: Cloud, invoke: Invoke) -> None:
        result = invoke("deploy", "--yes", "--image", "aaa")
        assert result.code == 2
        assert "there is no repository mlops/api yet" in result.err
        assert stacks(empty) == []

    @pytest.mark.parametrize(
        ("state", "remedy"),
        [
            ("UPDATE_IN_PROGRESS", "cancel-update-stack --stack-name mlops"),
            ("CREATE_IN_PROGRESS", "python -m deploy status"),
            ("ROLLBACK_COMPLETE", "python -m deploy teardown, then deploy: data is kept"),
            ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name mlops"),
        ],
    )
    def test_stack_that_cannot_be_updated_now(
        self, cloud: Cloud, invoke: Invoke, state: str, remedy: str
    ) -> None:
        cloud.stack.status = state
        result = invoke("deploy", "--yes", "--image", "bbb")
        assert result.code == 2
        assert state in result.err
        assert remedy in result.err
        assert cloud.front.calls == ["DescribeStacks"]

    def test_accidental_return_of_a_rolled_back_image(self, cloud: Cloud, invoke: Invoke) -> None:
        cloud.put_service_on(2)
        result = invoke("deploy", "--yes", "--set", "MaxTasks=9")
        assert result.code == 2
        assert "rolled back to revision 2, and the stack has revision 3" in result.err
        assert f"give --image {digest_of('bbb')}, which is running, or another image" in result.err
        assert "CreateChangeSet" not in cloud.front.calls
        assert invoke("deploy", "--yes", "--set", "MaxTasks=9", "--image", "bbb").code == 0

    def test_value_that_the_template_does_not_allow(self, cloud: Cloud, invoke: Invoke) -> None:
        why = "Parameter 'MaxTasks' must be one of AllowedValues"
        cloud.front.fails["CreateChangeSet"] = Failure("ValidationError", why)
        result = invoke("deploy", "--yes", "--set", "MaxTasks=0")
        assert result.code == 1
        assert result.err == f"error: AWS refused CreateChangeSet: {why} (ValidationError)\n"


def test_rolled_back_service_is_reported_if_nothing_else_differs(
    cloud: Cloud, invoke: Invoke
) -> None:
    assert invoke("deploy", "--yes", "--image", "bbb").code == 0
    cloud.let_the_stack_say(3)
    cloud.put_service_on(2)
    result = invoke("deploy", "--yes", "--image", "bbb")
    assert result.code == 0
    assert "but the service was rolled back to revision 2" in result.out
    assert "rollback --to 3 takes it forward" in result.out


def test_failed_change_reports_the_first_failures(cloud: Cloud, invoke: Invoke) -> None:
    def fail() -> None:
        if "ExecuteChangeSet" in cloud.front.calls:
            cloud.stack.status = "UPDATE_ROLLBACK_COMPLETE"

    def events(answer: bytes) -> bytes:
        if "ExecuteChangeSet" not in cloud.front.calls:
            return answer
        made = [
            event("TaskRole", "UPDATE_FAILED", "Resource update cancelled"),
            event("Service", "UPDATE_FAILED", "ECS Deployment Circuit Breaker was triggered"),
        ]
        return answer.replace(b"<StackEvents>", f"<StackEvents>{''.join(made)}".encode())

    cloud.front.before["DescribeStacks"] = fail
    cloud.front.after["DescribeStackEvents"] = events
    result = invoke("deploy", "--yes", "--image", "bbb")
    assert result.code == 1
    assert result.err == (
        "error: stack 'mlops' ended as UPDATE_ROLLBACK_COMPLETE:"
        " Service: ECS Deployment Circuit Breaker was triggered\n"
    )


def event(resource: str, state: str, reason: str) -> str:
    return (
        f"<member><EventId>{resource}-{state}</EventId><StackId>s</StackId>"
        f"<StackName>{STACK}</StackName><LogicalResourceId>{resource}</LogicalResourceId>"
        f"<ResourceStatus>{state}</ResourceStatus><Timestamp>2026-01-01T00:00:00Z</Timestamp>"
        f"<ResourceStatusReason>{reason}</ResourceStatusReason></member>"
    )


def test_change_that_never_ends_reaches_the_time_limit(cloud: Cloud, invoke: Invoke) -> None:
    def busy() -> None:
        if "ExecuteChangeSet" in cloud.front.calls:
            cloud.stack.status = "UPDATE_IN_PROGRESS"

    cloud.front.before["DescribeStacks"] = busy
    result = invoke("deploy", "--yes", "--image", "bbb", "--limit", "0.001")
    assert result.code == 1
    assert "the change of stack 'mlops' is not over after 0.001 minutes" in result.err
    assert "AWS continues what was begun" in result.err


@pytest.mark.parametrize(
    "number",
    some_by_default(
        range(len(NEXT)),
        NEXT.index("CreateChangeSet"),
        NEXT.index("ExecuteChangeSet"),
        len(NEXT) - 1,
    ),
)
def test_any_failing_call_leaves_nothing_behind(cloud: Cloud, invoke: Invoke, number: int) -> None:
    cloud.front.fails[number] = DENIED
    result = invoke("deploy", "--yes", "--image", "bbb")
    assert result.code == 1
    assert result.err.startswith(f"error: AWS denies {NEXT[number]}: ")
    assert len(result.err.splitlines()) == 1
    executed = NEXT.index("ExecuteChangeSet")
    proposed = NEXT.index("CreateChangeSet") < number <= executed
    assert cloud.front.calls == NEXT[: number + 1] + (WITHDRAWN if proposed else [])
    assert ("AWS continues" in result.err) == (number > executed)
    changed = cloud.stack.stack_parameters["ImageUri"] == address_of("bbb")
    assert changed == (number > executed)
    if not changed:
        assert change_sets(cloud) == []


@pytest.mark.parametrize(
    "number", some_by_default(range(len(FIRST)), FIRST.index("ExecuteChangeSet"), len(FIRST) - 1)
)
def test_any_failing_call_of_a_first_deployment_leaves_no_empty_stack(
    empty: Cloud, invoke: Invoke, number: int
) -> None:
    empty.front.fails[number] = DENIED
    assert invoke("deploy", "--yes").code == 1
    executed = FIRST.index("ExecuteChangeSet")
    proposed = FIRST.index("CreateChangeSet") < number <= executed
    assert empty.front.calls == FIRST[: number + 1] + (WITHDRAWN_FIRST if proposed else [])
    assert stacks(empty) == (["CREATE_COMPLETE"] if number > executed else [])
