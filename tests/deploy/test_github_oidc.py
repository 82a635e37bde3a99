"""The roles of the workflows: nobody else can assume them, and their permissions suffice."""

import re
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.deploy.cloud import Cloud
from tests.deploy.conftest import Invoke

TEMPLATE = ROOT / "deploy" / "github-oidc.yaml"


class Loader(yaml.SafeLoader):
    """A YAML loader that reads CloudFormation's short forms as the text or list that they hold."""


def _held(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


Loader.add_multi_constructor("!", _held)
CONTENT = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader)  # noqa: S506 - a safe one
ROLES = {
    name: each["Properties"]
    for name, each in CONTENT["Resources"].items()
    if each["Type"] == "AWS::IAM::Role"
}


def statements(role: str) -> list[dict[str, Any]]:
    return [
        statement
        for policy in ROLES[role]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def actions(role: str) -> set[str]:
    listed = [statement["Action"] for statement in statements(role)]
    return {a for each in listed for a in ([each] if isinstance(each, str) else each)}


@pytest.mark.parametrize(
    ("role", "subject"),
    [
        ("BuildRole", "${Subject}:ref:refs/heads/${Branch}"),
        ("DeployRole", "${Subject}:environment:${Environment}"),
        ("RetrainRole", "${Subject}:ref:refs/heads/${Branch}"),
    ],
)
def test_only_one_repository_can_assume_a_role(role: str, subject: str) -> None:
    (statement,) = ROLES[role]["AssumeRolePolicyDocument"]["Statement"]
    issuer = "token.actions.githubusercontent.com"
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    # StringLike and ForAllValues would let others in.
    assert statement["Condition"].keys() == {"StringEquals"}
    asked = statement["Condition"]["StringEquals"]
    assert asked[f"{issuer}:aud"] == "sts.amazonaws.com"
    assert asked[f"{issuer}:sub"] == subject
    assert "*" not in str(asked)


@pytest.mark.parametrize(
    ("subject", "is_one"),
    [
        ("repo:octo/tabular", True),
        ("repo:octo@12/tabular@345", True),
        ("repo:octo/*", False),
        ("repo:octo/tabular:*", False),
        ("octo/tabular", False),
    ],
)
def test_subject_names_exactly_one_repository(subject: str, *, is_one: bool) -> None:
    pattern = CONTENT["Parameters"]["Subject"]["AllowedPattern"]
    assert bool(re.search(pattern, subject)) == is_one


@pytest.mark.parametrize("role", ROLES)
def test_roles_have_no_wildcard_actions(role: str) -> None:
    assert not [action for action in actions(role) if "*" in action]
    for statement in statements(role):
        if statement["Resource"] == "*":
            # Nothing that could change what runs, or tell a secret.
            words = statement["Action"]
            for action in [words] if isinstance(words, str) else words:
                verb = action.partition(":")[2]
                assert verb.startswith(("Describe", "List")) or verb in {
                    "GetAuthorizationToken",
                    "RegisterTaskDefinition",
                }


def test_only_roles_of_the_stack_are_passed_to_tasks() -> None:
    (passing,) = [each for each in statements("DeployRole") if each["Action"] == "iam:PassRole"]
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }
    template = yaml.load((ROOT / "deploy/stack.yaml").read_text(), Loader)  # noqa: S506 - the same
    for arn in passing["Resource"]:
        name = re.search(r"role/\$\{StackName\}-(\w+)-\*$", arn)
        assert name is not None
        assert template["Resources"][name[1]]["Type"] == "AWS::IAM::Role"


def test_retrain_role_may_do_what_the_task_of_the_stack_may() -> None:
    template = yaml.load((ROOT / "deploy/stack.yaml").read_text(), Loader)  # noqa: S506 - the same
    (policy,) = template["Resources"]["RetrainRole"]["Properties"]["Policies"]
    theirs = policy["PolicyDocument"]["Statement"]
    for one, other in zip(statements("RetrainRole"), theirs, strict=True):
        assert one.keys() == other.keys()
        assert one["Action"] == other["Action"]
        assert one.get("Condition") == other.get("Condition")
    bucket = template["Resources"]["ModelBucket"]["Properties"]["BucketName"]
    (listed,) = [each for each in statements("RetrainRole") if each["Action"] == "s3:ListBucket"]
    named = listed["Resource"].removeprefix("arn:${AWS::Partition}:s3:::")
    assert named == bucket.replace("${AWS::StackName}", "${StackName}")
    name = "ModelBucketPrefix"
    assert CONTENT["Parameters"][name]["Default"] == template["Parameters"][name]["Default"]


def test_deploy_role_allows_every_call_of_the_commands(cloud: Cloud, invoke: Invoke) -> None:
    cloud.rollout = ["COMPLETED"]
    assert invoke("status").code == 0
    assert invoke("rollback").code == 0
    assert invoke("rollback", "--to", "1").code == 0
    assert invoke("rollback", "--image", "bbb").code == 0
    invoke("deploy", "--image", "aaa", "--yes", "--limit", "0.02")
    called = set(cloud.front.calls)
    assert {"CreateChangeSet", "ExecuteChangeSet", "UpdateService"} <= called
    # Who one is needs no permission.
    called -= {"GetCallerIdentity"}
    assert called <= {action.partition(":")[2] for action in actions("DeployRole")}
