"""The CloudFormation stack: its state, outputs and events."""

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
from deploy.waiting import Patience, aws_continues
from tabproof.runtime.console import say

# A new stack with a change set that was not executed: it has no resources.
ONLY_PLANNED = "REVIEW_IN_PROGRESS"
# No update is possible in these states.
BROKEN = {
    "CREATE_FAILED",
    "DELETE_FAILED",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_FAILED",
}
GOOD_ENDS = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "IMPORT_COMPLETE"}
# Later failures are mostly cancellations because of the first ones.
FIRST_FAILURES = 3


@dataclass(frozen=True)
class Stack:
    """The state of a stack at one moment."""

    id: str
    name: str
    state: str
    reason: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    is_protected: bool

    @property
    def is_planned(self) -> bool:
        """Whether the stack only has a change set."""
        return self.state == ONLY_PLANNED

    @property
    def is_busy(self) -> bool:
        """Whether the stack is being changed."""
        return self.state.endswith("_IN_PROGRESS") and not self.is_planned


def find(aws: Aws, name: str) -> Stack | None:
    """Return a stack by name or id, or None."""
    try:
        answer = aws.cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        # The error has no specific code.
        if "does not exist" in str(error):
            return None
        raise
    return _stack(answer["Stacks"][0])


def existing(aws: Aws, name: str) -> Stack:
    """Return a stack with resources; raise StackMissingError."""
    stack = find(aws, name)
    if stack is None or stack.is_planned:
        raise StackMissingError(name=name, region=aws.region)
    return stack


def serving(aws: Aws, name: str) -> Stack:
    """Return a stack with a service; raise NoServiceError."""
    stack = existing(aws, name)
    if "ServiceName" not in stack.outputs:
        reason = "it was deployed without an image; python -m deploy deploy --image TAG"
        raise NoServiceError(stack=name, reason=reason)
    return stack


def require_idle(stack: Stack) -> None:
    """Raise UserError if the stack is being changed, or cannot be changed."""
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
        # A cancellation is the result of another failure.
        return self.state.endswith("_FAILED") and "cancelled" not in self.reason.lower()

    def __str__(self) -> str:
        return f"{self.state:<28} {self.resource}{f'  {self.reason}' if self.reason else ''}"


def newest_event(aws: Aws, stack_id: str) -> str:
    """Return the id of the newest event; empty if there is none."""
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
    """Print events after `last` until the change ends; raise StackFailedError."""
    failures: list[str] = []
    with aws_continues():
        for _ in patience.polls(f"the change of stack '{name}'"):
            # Read before the events, so that all events of a finished change are printed.
            now = find(aws, stack_id)
            for event in _since(aws, stack_id, last):
                last = event.id
                say(str(event))
                if event.is_failure:
                    failures.append(f"{event.resource}: {event.reason or event.state}")
            if now is None or not (now.is_busy or now.is_planned):
                break
    if now is None:
        raise StackMissingError(name=name, region=aws.region)
    if now.state not in GOOD_ENDS:
        raise StackFailedError(name, now.state, failures[:FIRST_FAILURES] or [now.reason])
    return now
