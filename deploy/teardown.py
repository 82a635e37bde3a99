"""Tear down: delete the stack, and its data if requested."""

from deploy import asking, data, revisions, stacks, template
from deploy.aws import Aws, opened
from deploy.data import Data
from deploy.errors import ProtectedStackError, StackBusyError
from deploy.stacks import Stack
from deploy.waiting import Patience
from tabproof.runtime.console import say
from tabproof.text import counted

GOING = "DELETE_IN_PROGRESS"


def take_down(
    *,
    stack: str,
    region: str | None,
    profile: str | None,
    repository: str | None,
    delete_data: bool,
    yes: bool,
    patience: Patience,
) -> str:
    """Delete the stack; the same command again continues, or has nothing to do."""
    name = template.checked_name(stack)
    if not yes:
        asking.require_terminal(f"teardown would delete stack '{name}'")
    aws = opened(region, profile)
    found = stacks.find(aws, name)
    if found is not None:
        _require_deletable(found)
    elif not delete_data:
        # Without the stack's roles, no task could start from the revisions.
        revisions.deregister_all(aws, name)
        return f"nothing to do: there is no stack '{name}' in {aws.region}"
    kept = data.named(aws, name, _repository(found, repository))
    if not yes and not _is_agreed(name, found, kept, delete_data=delete_data):
        return "nothing was deleted"
    if found is not None:
        _delete(aws, found, patience)
    if gone := revisions.deregister_all(aws, name):
        say(f"deregistered: {counted(gone, 'revision')} of the task definition")
    if delete_data:
        for line in data.delete(aws, kept):
            say(line)
        return f"stack '{name}' and its data are deleted"
    return "\n".join([f"stack '{name}' is deleted", *(f"kept: {each}" for each in kept.lines())])


def _repository(stack: Stack | None, asked: str | None) -> str:
    known = {**template.defaults(), **(stack.parameters if stack else {})}
    return asked or known["RepositoryName"]


def _require_deletable(stack: Stack) -> None:
    if stack.is_busy and stack.state != GOING:
        raise StackBusyError(stack.name, stack.state)
    if stack.is_protected:
        raise ProtectedStackError(name=stack.name)


def _is_agreed(name: str, stack: Stack | None, kept: Data, *, delete_data: bool) -> bool:
    if stack is not None:
        say(f"delete: stack {name} ({stack.state}), its load balancer, service, roles and API key")
    for line in kept.lines():
        say(f"{'delete:' if delete_data else 'keep:':<7} {line}")
    return asking.answer(f"type {name} to delete {'all of it' if delete_data else 'it'}:") == name


def _delete(aws: Aws, stack: Stack, patience: Patience) -> None:
    last = stacks.newest_event(aws, stack.id)
    if stack.state != GOING:
        aws.cloudformation.delete_stack(StackName=stack.id)
    stacks.wait(aws, stack.name, stack.id, last, patience)
