"""The stack as CloudFormation knows it: its state, its outputs, what happens to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.aws import Aws
from deploy.errors import (
    NoServiceError,
    StackBrokenError,
    StackBusyError,
    StackFailedError,
    StackMissingError,
)
from deploy.waiting import Patience, going_on
from tabproof.runtime.console import say

# What a change set of a new stack leaves until it is executed: nothing is there yet.
ONLY_PLANNED = "REVIEW_IN_PROGRESS"
# No update leads out of these.
BROKEN = {
    "CREATE_FAILED",
    "DELETE_FAILED",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_FAILED",
}
GOOD_ENDS = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "IMPORT_COMPLETE"}
# Later failures are mostly of what was cancelled because of the first ones.
FIRST_FAILURES = 3


@dataclass(frozen=True)
class Stack:
    """A stack as it was when it was looked at."""

    id: str
    name: str
    state: str
    reason: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    is_protected: bool

    @property
    def is_planned(self) -> bool:
        """Whether there is nothing of it but a change set."""
        return self.state == ONLY_PLANNED

    @property
    def is_busy(self) -> bool:
        """Whether somebody changes it now."""
        return self.state.endswith("_IN_PROGRESS") and not self.is_planned


def find(aws: Aws, name: str) -> Stack | None:
    """Look a stack up, by name or id; None where there is none."""
    try:
        answer = aws.cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        # It has no code of its own.
        if "does not exist" in str(error):
            return None
        raise
    return _stack(answer["Stacks"][0])


def existing(aws: Aws, name: str) -> Stack:
    """Look a stack up; raises StackMissingError, also of one that is only planned."""
    stack = find(aws, name)
    if stack is None or stack.is_planned:
        raise StackMissingError(name, aws.region)
    return stack


def serving(aws: Aws, name: str) -> Stack:
    """Look up a stack that has a service."""
    stack = existing(aws, name)
    if "ServiceName" not in stack.outputs:
        raise NoServiceError(
            name, "it was deployed without an image; python -m deploy deploy --image"
        )
    return stack


def require_idle(stack: Stack) -> None:
    """Refuse while somebody changes the stack, or where nothing can."""
    if stack.is_busy:
        raise StackBusyError(stack.name, stack.state)
    if stack.state in BROKEN:
        raise StackBrokenError(stack.name, stack.state)


def _stack(found: Any) -> Stack:
    parameters = found.get("Parameters", [])
    return Stack(
        id=found["StackId"],
        name=found["StackName"],
        state=found["StackStatus"],
        reason=found.get("StackStatusReason", ""),
        outputs={each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])},
        parameters={each["ParameterKey"]: each.get("ParameterValue", "") for each in parameters},
        is_protected=found.get("EnableTerminationProtection", False),
    )


@dataclass(frozen=True)
class Event:
    """Something that happened to a resource."""

    id: str
    resource: str
    state: str
    reason: str

    @property
    def is_failure(self) -> bool:
        """Whether it may be why a change failed."""
        # What was cancelled failed for another's reason.
        return self.state.endswith("_FAILED") and "cancelled" not in self.reason.lower()

    def __str__(self) -> str:
        return f"{self.state:<28} {self.resource}{f'  {self.reason}' if self.reason else ''}"


def newest_event(aws: Aws, stack_id: str) -> str:
    """Name the event after which all is new; empty where nothing has happened."""
    return next((event.id for event in _backwards(aws, stack_id)), "")


def _backwards(aws: Aws, stack_id: str) -> Iterator[Event]:
    pages = aws.cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    for page in pages:
        for event in page["StackEvents"]:
            yield Event(
                str(event["EventId"]),
                event.get("LogicalResourceId", ""),
                event.get("ResourceStatus", ""),
                event.get("ResourceStatusReason", ""),
            )


def _since(aws: Aws, stack_id: str, last: str) -> list[Event]:
    new: list[Event] = []
    for event in _backwards(aws, stack_id):
        if event.id == last:
            break
        new.append(event)
    return new[::-1]


def wait(aws: Aws, name: str, stack_id: str, last: str, patience: Patience) -> Stack:
    """Tell events after `last` until the stack rests; raises StackFailedError."""
    failures: list[str] = []
    with going_on():
        for _ in patience.looks(f"the change of stack '{name}'"):
            # Before the events: those of an ended change are all there.
            now = find(aws, stack_id)
            for event in _since(aws, stack_id, last):
                last = event.id
                say(str(event))
                if event.is_failure:
                    failures.append(f"{event.resource}: {event.reason or event.state}")
            if now is None or not (now.is_busy or now.is_planned):
                break
    if now is None:
        raise StackMissingError(name, aws.region)
    if now.state not in GOOD_ENDS:
        raise StackFailedError(name, now.state, failures[:FIRST_FAILURES] or [now.reason])
    return now
