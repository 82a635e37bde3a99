"""Teardown: which questions it asks, what stays, and that it can be repeated at any point."""

import pytest

from tests.deploy.cloud import BUCKET, Cloud, some_by_default
from tests.deploy.conftest import Answer, Invoke
from tests.deploy.front import DENIED

STACK_GOES = [
    "DescribeStacks",
    "GetCallerIdentity",
    "DescribeStackEvents",
    "DeleteStack",
    "DescribeStacks",
    "DescribeStackEvents",
    "ListTaskDefinitions",
    *["DeregisterTaskDefinition"] * 3,
]
DATA_GOES = [
    "ListObjectVersions",
    "DeleteObjects",
    "DeleteBucket",
    "DeleteRepository",
    "DeleteLogGroup",
]


@pytest.fixture
def kept_data(cloud: Cloud) -> Cloud:
    """Return a stack whose data outlives it: two versions of a model, and a deleted one."""
    # moto knows one policy that keeps, by name; ours keeps except where creating fails. And it
    # cannot delete a network that had routes.
    resources = cloud.stack.resource_map._resource_json_map
    for name, resource in resources.items():
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate" or name == "Vpc":
            resource["DeletionPolicy"] = "Retain"
    s3 = cloud.client("s3")
    # What the template says of versions moto does not read.
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket=BUCKET, Key="models/adult/pointer.json", Body=body)
    s3.delete_object(Bucket=BUCKET, Key="models/adult/pointer.json")
    return cloud


def stacks(cloud: Cloud) -> int:
    return len(cloud.client("cloudformation").describe_stacks()["Stacks"])


def kept(cloud: Cloud) -> list[str]:
    found = [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]]
    repositories = cloud.client("ecr").describe_repositories()["repositories"]
    groups = cloud.client("logs").describe_log_groups()["logGroups"]
    found += [repository["repositoryName"] for repository in repositories]
    return found + [group["logGroupName"] for group in groups]


DATA = [BUCKET, "mlops/api", "/ecs/mlops"]


def test_teardown_keeps_the_data(kept_data: Cloud, invoke: Invoke) -> None:
    result = invoke("teardown", "--yes")
    assert (result.code, result.err) == (0, "")
    assert kept_data.front.calls == STACK_GOES
    assert stacks(kept_data) == 0
    assert kept(kept_data) == DATA
    assert f"kept: bucket {BUCKET} (models, all versions)" in result.out
    # A revision without its roles could not start.
    assert kept_data.revisions() == []


def test_delete_data_removes_all_versions(kept_data: Cloud, invoke: Invoke) -> None:
    result = invoke("teardown", "--yes", "--delete-data")
    assert (result.code, result.err) == (0, "")
    assert kept_data.front.calls == STACK_GOES + DATA_GOES
    assert kept(kept_data) == []
    assert f"deleted: bucket {BUCKET} (3 versions)" in result.out


def test_data_of_a_deleted_stack_can_be_deleted(kept_data: Cloud, invoke: Invoke) -> None:
    assert invoke("teardown", "--yes").code == 0
    assert invoke("teardown", "--yes", "--delete-data").code == 0
    assert kept(kept_data) == []


@pytest.mark.usefixtures("kept_data")
def test_repeated_teardown_has_nothing_to_do(invoke: Invoke) -> None:
    assert invoke("teardown", "--yes", "--delete-data").code == 0
    result = invoke("teardown", "--yes")
    assert result.code == 0
    assert result.out == "nothing to do: there is no stack 'mlops' in eu-west-1\n"
    again = invoke("teardown", "--yes", "--delete-data")
    assert again.code == 0
    assert again.out.count("was deleted already") == 3


@pytest.mark.parametrize(("typed", "left"), [("mlops\n", 0), ("yes\n", 1), ("", 1)])
def test_teardown_requests_the_name_of_the_stack(
    kept_data: Cloud, invoke: Invoke, answer: Answer, typed: str, left: int
) -> None:
    answer(typed)
    result = invoke("teardown", "--delete-data")
    assert result.code == 0
    assert "type mlops to delete all of it:" in result.err
    assert f"delete: bucket {BUCKET}" in result.out
    assert stacks(kept_data) == left
    assert kept(kept_data) == (DATA if left else [])


class TestRefuses:
    def test_teardown_without_a_terminal(self, kept_data: Cloud, invoke: Invoke) -> None:
        result = invoke("teardown")
        assert result.code == 2
        assert "there is no terminal to ask at; --yes continues without asking" in result.err
        assert kept_data.front.calls == []

    def test_stack_that_is_being_changed(self, kept_data: Cloud, invoke: Invoke) -> None:
        kept_data.stack.status = "UPDATE_IN_PROGRESS"
        result = invoke("teardown", "--yes", "--delete-data")
        assert result.code == 2
        assert "is being changed (UPDATE_IN_PROGRESS)" in result.err
        assert kept(kept_data) == DATA

    def test_protected_stack(self, kept_data: Cloud, invoke: Invoke) -> None:
        kept_data.stack.enable_termination_protection = True
        result = invoke("teardown", "--yes", "--delete-data")
        assert result.code == 2
        assert "is protected; first: aws cloudformation update-termination-protection" in result.err
        assert kept(kept_data) == DATA


def test_objects_that_cannot_be_deleted_are_counted(kept_data: Cloud, invoke: Invoke) -> None:
    failed = b"<Error><Key>k</Key><Code>AccessDenied</Code><Message>locked</Message></Error>"

    whole = b"<DeleteResult>" + failed + b"</DeleteResult>"
    kept_data.front.after["DeleteObjects"] = lambda _: whole
    result = invoke("teardown", "--yes", "--delete-data")
    assert result.code == 1
    assert f"1 objects of {BUCKET} could not be deleted, the first: locked" in result.err


# Each call once: revisions are deregistered one by one.
@pytest.mark.parametrize(
    "number",
    some_by_default(
        [*range(8), *range(10, len(STACK_GOES + DATA_GOES))],
        STACK_GOES.index("DeleteStack"),
        len(STACK_GOES),
    ),
)
def test_repeated_teardown_completes_one_that_failed_at_any_call(
    kept_data: Cloud, invoke: Invoke, number: int
) -> None:
    calls = STACK_GOES + DATA_GOES
    kept_data.front.fails[number] = DENIED
    result = invoke("teardown", "--yes", "--delete-data")
    assert result.code == 1
    assert result.err.startswith(f"error: AWS denies {calls[number]}: ")
    assert kept_data.front.calls == calls[: number + 1]
    # Data goes only after the stack.
    if stacks(kept_data):
        assert kept(kept_data) == DATA
    kept_data.front.fails.clear()
    assert invoke("teardown", "--yes", "--delete-data").code == 0
    assert (stacks(kept_data), kept(kept_data), kept_data.revisions()) == (
        0,
        [],
        [],
    )
