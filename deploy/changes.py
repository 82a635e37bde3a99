"""Change sets: what would change, shown before anything does."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deploy import stacks, template
from deploy.aws import Aws
from deploy.errors import ChangeRefusedError
from deploy.stacks import Stack
from deploy.waiting import Patience

# AWS says by a failure that there is nothing to do; later or at once.
NOTHING = ("didn't contain changes", "No updates are to be performed")
PENDING = {"CREATE_PENDING", "CREATE_IN_PROGRESS"}


@dataclass(frozen=True)
class ChangeSet:
    """A change that AWS would make; changes: a line each."""

    id: str
    stack_id: str
    changes: tuple[str, ...]
    is_first: bool


def propose(
    aws: Aws,
    name: str,
    stack: Stack | None,
    body: str,
    parameters: Mapping[str, str],
    patience: Patience,
) -> ChangeSet | None:
    """Ask what would change; None where nothing would. What fails leaves nothing behind.

    stack: what is there. Its parameters stay as they are where none is given.
    """
    is_first = stack is None or stack.is_planned
    try:
        answer = aws.cloudformation.create_change_set(
            StackName=name,
            ChangeSetName=f"deploy-{time.time_ns()}",
            ChangeSetType="CREATE" if is_first else "UPDATE",
            TemplateBody=body,
            Parameters=_parameters(None if is_first else stack, parameters),
            Capabilities=["CAPABILITY_IAM"],
            # Data that outlived an earlier stack of this name belongs to this one.
            **({"ImportExistingResources": True} if is_first else {}),
        )
    except ClientError as error:
        if _says_nothing_differs(str(error)):
            return None
        raise
    change_set = ChangeSet(answer["Id"], answer["StackId"], (), is_first)
    with withdrawn_on_failure(aws, change_set):
        changes = _changes(aws, name, change_set, patience)
        if changes is None:
            withdraw(aws, change_set)
    return replace(change_set, changes=changes) if changes is not None else None


@contextmanager
def withdrawn_on_failure(aws: Aws, change_set: ChangeSet) -> Iterator[None]:
    """Take a proposal back where what follows fails before it is carried out."""
    try:
        yield
    except BaseException:
        # The first failure is told; a proposal that stays is harmless, the next is made anew.
        with suppress(ClientError, BotoCoreError):
            withdraw(aws, change_set)
        raise


def withdraw(aws: Aws, change_set: ChangeSet) -> None:
    """Take a proposal back, and the empty stack that it alone has made."""
    aws.cloudformation.delete_change_set(ChangeSetName=change_set.id, StackName=change_set.stack_id)
    if change_set.is_first:
        stack = stacks.find(aws, change_set.stack_id)
        # An order to go ahead may have arrived though its answer did not.
        if stack is not None and stack.is_planned:
            aws.cloudformation.delete_stack(StackName=change_set.stack_id)


def execute(aws: Aws, change_set: ChangeSet) -> None:
    """Begin the change."""
    aws.cloudformation.execute_change_set(
        ChangeSetName=change_set.id, StackName=change_set.stack_id
    )


def _parameters(stack: Stack | None, given: Mapping[str, str]) -> list[dict[str, Any]]:
    kept = set(stack.parameters if stack else ()) & set(template.defaults()) - set(given)
    return [
        *({"ParameterKey": name, "ParameterValue": value} for name, value in given.items()),
        *({"ParameterKey": name, "UsePreviousValue": True} for name in sorted(kept)),
    ]


def _changes(
    aws: Aws, name: str, change_set: ChangeSet, patience: Patience
) -> tuple[str, ...] | None:
    asked = {"ChangeSetName": change_set.id, "StackName": change_set.stack_id}
    for _ in patience.looks("making the change set"):
        answer = aws.cloudformation.describe_change_set(**asked)
        if answer["Status"] not in PENDING:
            break
    if answer["Status"] == "FAILED":
        if _says_nothing_differs(answer.get("StatusReason", "")):
            return None
        raise ChangeRefusedError(name, answer.get("StatusReason", ""))
    lines = [_line(change["ResourceChange"]) for change in answer["Changes"]]
    while token := answer.get("NextToken"):
        answer = aws.cloudformation.describe_change_set(**asked, NextToken=token)
        lines += [_line(change["ResourceChange"]) for change in answer["Changes"]]
    # A change of outputs alone touches no resource, and is one.
    return tuple(lines or ["Modify   outputs alone"])


def _says_nothing_differs(words: str) -> bool:
    return any(each in words for each in NOTHING)


def _line(change: Any) -> str:
    replaced = change.get("Replacement")
    words = {"True": "  made anew", "Conditional": "  perhaps made anew"}.get(str(replaced), "")
    return f"{change['Action']:<8} {change['LogicalResourceId']}  {change['ResourceType']}{words}"
