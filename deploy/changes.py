"""Change sets, which show a change before it is made."""

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

# AWS reports an empty change as a failure, at once or later.
NOTHING = ("didn't contain changes", "No updates are to be performed")
PENDING = {"CREATE_PENDING", "CREATE_IN_PROGRESS"}


@dataclass(frozen=True)
class ChangeSet:
    """A change that AWS would make; changes: one line for each."""

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
    """Make a change set; return None if nothing would change. A failure leaves nothing behind.

    stack: the existing one, which keeps the parameters that are not given.
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
            # Data that an earlier stack of this name left behind belongs to the new one.
            **({"ImportExistingResources": True} if is_first else {}),
        )
    except ClientError as error:
        if _is_empty_change(str(error)):
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
    """Withdraw a change set if the block fails before it is executed."""
    try:
        yield
    except BaseException:
        # The first failure is reported; a remaining change set is harmless.
        with suppress(ClientError, BotoCoreError):
            withdraw(aws, change_set)
        raise


def withdraw(aws: Aws, change_set: ChangeSet) -> None:
    """Delete a change set, and the empty stack that was made for it."""
    aws.cloudformation.delete_change_set(ChangeSetName=change_set.id, StackName=change_set.stack_id)
    if change_set.is_first:
        stack = stacks.find(aws, change_set.stack_id)
        # A request to execute it may have arrived although its response did not.
        if stack is not None and stack.is_planned:
            aws.cloudformation.delete_stack(StackName=change_set.stack_id)


def execute(aws: Aws, change_set: ChangeSet) -> None:
    """Start the change."""
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
    names = {"ChangeSetName": change_set.id, "StackName": change_set.stack_id}
    for _ in patience.polls("making the change set"):
        answer = aws.cloudformation.describe_change_set(**names)
        if answer["Status"] not in PENDING:
            break
    if answer["Status"] == "FAILED":
        if _is_empty_change(answer.get("StatusReason", "")):
            return None
        raise ChangeRefusedError(name=name, reason=answer.get("StatusReason", ""))
    lines = [_line(change["ResourceChange"]) for change in answer["Changes"]]
    while token := answer.get("NextToken"):
        answer = aws.cloudformation.describe_change_set(**names, NextToken=token)
        lines += [_line(change["ResourceChange"]) for change in answer["Changes"]]
    # A change of outputs has no resources.
    return tuple(lines or ["Modify   outputs only"])


def _is_empty_change(message: str) -> bool:
    return any(each in message for each in NOTHING)


def _line(change: Any) -> str:
    replaced = change.get("Replacement")
    note = {"True": "  replaced", "Conditional": "  perhaps replaced"}.get(str(replaced), "")
    return f"{change['Action']:<8} {change['LogicalResourceId']}  {change['ResourceType']}{note}"
