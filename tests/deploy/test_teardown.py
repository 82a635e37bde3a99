"""Taking down: who is asked, what stays, and that it can be said again from anywhere."""

import pytest

from tests.deploy.cloud import BUCKET, Cloud, some_by_default
from tests.deploy.conftest import Answer, Say
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
def standing(cloud: Cloud) -> Cloud:
    """Give a stack whose data outlives it, with two versions of a model and one deleted."""
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


def test_teardown_keeps_the_data(standing: Cloud, say: Say) -> None:
    said = say("teardown", "--yes")
    assert (said.code, said.err) == (0, "")
    assert standing.front.calls == STACK_GOES
    assert stacks(standing) == 0
    assert kept(standing) == DATA
    assert f"kept: bucket {BUCKET} (models, all versions)" in said.out
    # A revision without its roles could not start.
    assert standing.revisions() == []


def test_delete_data_removes_all_versions(standing: Cloud, say: Say) -> None:
    said = say("teardown", "--yes", "--delete-data")
    assert (said.code, said.err) == (0, "")
    assert standing.front.calls == STACK_GOES + DATA_GOES
    assert kept(standing) == []
    assert f"deleted: bucket {BUCKET} (3 versions)" in said.out


def test_data_of_a_deleted_stack_can_be_deleted(standing: Cloud, say: Say) -> None:
    assert say("teardown", "--yes").code == 0
    assert say("teardown", "--yes", "--delete-data").code == 0
    assert kept(standing) == []


@pytest.mark.usefixtures("standing")
def test_repeated_teardown_has_nothing_to_do(say: Say) -> None:
    assert say("teardown", "--yes", "--delete-data").code == 0
    said = say("teardown", "--yes")
    assert said.code == 0
    assert said.out == "nothing to do: there is no stack 'mlops' in eu-west-1\n"
    again = say("teardown", "--yes", "--delete-data")
    assert again.code == 0
    assert again.out.count("was deleted already") == 3


@pytest.mark.parametrize(("typed", "left"), [("mlops\n", 0), ("yes\n", 1), ("", 1)])
def test_teardown_requests_the_name_of_the_stack(
    standing: Cloud, say: Say, answer: Answer, typed: str, left: int
) -> None:
    answer(typed)
    said = say("teardown", "--delete-data")
    assert said.code == 0
    assert "type mlops to delete all of it:" in said.err
    assert f"delete: bucket {BUCKET}" in said.out
    assert stacks(standing) == left
    assert kept(standing) == (DATA if left else [])


class TestRefuses:
    def test_teardown_without_a_terminal(self, standing: Cloud, say: Say) -> None:
        said = say("teardown")
        assert said.code == 2
        assert "there is no terminal to ask at; --yes continues without asking" in said.err
        assert standing.front.calls == []

    def test_stack_that_is_being_changed(self, standing: Cloud, say: Say) -> None:
        standing.stack.status = "UPDATE_IN_PROGRESS"
        said = say("teardown", "--yes", "--delete-data")
        assert said.code == 2
        assert "is being changed (UPDATE_IN_PROGRESS)" in said.err
        assert kept(standing) == DATA

    def test_protected_stack(self, standing: Cloud, say: Say) -> None:
        standing.stack.enable_termination_protection = True
        said = say("teardown", "--yes", "--delete-data")
        assert said.code == 2
        assert "is protected; first: aws cloudformation update-termination-protection" in said.err
        assert kept(standing) == DATA


def test_objects_that_cannot_be_deleted_are_counted(standing: Cloud, say: Say) -> None:
    failed = b"<Error><Key>k</Key><Code>AccessDenied</Code><Message>locked</Message></Error>"

    whole = b"<DeleteResult>" + failed + b"</DeleteResult>"
    standing.front.after["DeleteObjects"] = lambda _: whole
    said = say("teardown", "--yes", "--delete-data")
    assert said.code == 1
    assert f"1 objects of {BUCKET} could not be deleted, the first: locked" in said.err


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
    standing: Cloud, say: Say, number: int
) -> None:
    calls = STACK_GOES + DATA_GOES
    standing.front.fails[number] = DENIED
    said = say("teardown", "--yes", "--delete-data")
    assert said.code == 1
    assert said.err.startswith(f"error: AWS denies {calls[number]}: ")
    assert standing.front.calls == calls[: number + 1]
    # Data goes only after the stack.
    if stacks(standing):
        assert kept(standing) == DATA
    standing.front.fails.clear()
    assert say("teardown", "--yes", "--delete-data").code == 0
    assert (stacks(standing), kept(standing), standing.revisions()) == (0, [], [])
