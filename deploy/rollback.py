"""Roll back: find the revision, check that it can run, and wait for it.

Only ECS rolls the service back, not the stack: this takes one call, works even if templates cannot
be used, and restores a revision with all its settings, not only its image. The stack then has
another revision than the service; the next deployment reports this and requires an image.
"""

from deploy import images, revisions, services, stacks
from deploy.aws import Aws, opened
from deploy.errors import (
    PROGRAM,
    ImageGoneError,
    NoPredecessorError,
    NoServiceError,
    RevisionUnusableError,
    StackBusyError,
)
from deploy.revisions import Revision
from deploy.stacks import Stack
from deploy.waiting import Patience
from tabproof.runtime.console import say


def roll_back(
    *,
    stack: str,
    region: str | None,
    profile: str | None,
    to: int | None,
    image: str | None,
    patience: Patience,
) -> str:
    """Roll the service back to an earlier revision; return what was done."""
    aws = opened(region, profile)
    found = stacks.serving(aws, stack)
    if found.is_busy:
        raise StackBusyError(found.name, found.state)
    service = services.described(aws, found)
    running = _found(aws, found, service.revision)
    target = _target(aws, found, running, to, image)
    if target.arn == running.arn:
        return _already_there(aws, found, service, running, patience)
    _require_image(aws, found, target)
    say(f"revision {running} -> revision {target}")
    services.wait(aws, found, services.begin(aws, service, target.arn), patience)
    return "\n".join([f"the service runs revision {target}", *_next_steps(found, target)])


def restart(*, stack: str, region: str | None, profile: str | None, patience: Patience) -> str:
    """Start new tasks of the same revision, which read models and settings again."""
    aws = opened(region, profile)
    found = stacks.serving(aws, stack)
    if found.is_busy:
        raise StackBusyError(found.name, found.state)
    service = services.described(aws, found)
    now = services.wait(aws, found, services.begin(aws, service, new_tasks=True), patience)
    return f"the service runs new tasks of revision {revisions.number_of(now.revision)}"


def _already_there(
    aws: Aws, stack: Stack, service: services.Service, running: Revision, patience: Patience
) -> str:
    if not service.is_at_rest and service.primary is not None:
        services.wait(aws, stack, service.primary.id, patience)
    line = f"nothing to do: the service runs revision {running} already"
    return "\n".join([line, *_next_steps(stack, running)])


def _next_steps(stack: Stack, target: Revision) -> list[str]:
    expected = stack.outputs.get("TaskDefinition", target.arn)
    if expected == target.arn:
        return []
    return [
        f"the stack still has revision {revisions.number_of(expected)};"
        f" {PROGRAM} deploy --image {_image_option(stack, target)} makes this permanent",
        f"{PROGRAM} rollback --to N goes to another revision",
    ]


def _image_option(stack: Stack, target: Revision) -> str:
    return target.image.removeprefix(stack.outputs["RepositoryUri"]).lstrip(":@")


def _target(
    aws: Aws, stack: Stack, running: Revision, to: int | None, image: str | None
) -> Revision:
    if to is not None:
        return _numbered(aws, running, to)
    if image is not None:
        return _with_image(aws, stack, running, image)
    expected = stack.outputs.get("TaskDefinition", running.arn)
    # The same command again, or by two people at once, must not go back twice.
    return running if running.arn != expected else _before(aws, stack, running)


def _numbered(aws: Aws, running: Revision, number: int) -> Revision:
    if number == running.number:
        return running
    found = revisions.find(aws, f"{running.family}:{number}")
    if found is not None and found.is_active:
        return found
    reason = "is not there" if found is None else "is INACTIVE (deregistered)"
    active = revisions.active_numbers(aws, running.family)
    raise RevisionUnusableError(running.family, number, reason, active)


def _before(aws: Aws, stack: Stack, running: Revision) -> Revision:
    earlier = [n for n in revisions.active_numbers(aws, running.family) if n < running.number]
    if not earlier:
        raise NoPredecessorError(family=running.family, number=running.number)
    return _found(aws, stack, f"{running.family}:{max(earlier)}")


def _with_image(aws: Aws, stack: Stack, running: Revision, asked: str) -> Revision:
    image = images.required(aws, stack.outputs["RepositoryUri"], asked)
    if image.is_at(running.image):
        return running
    for number in revisions.active_numbers(aws, running.family):
        found = revisions.find(aws, f"{running.family}:{number}")
        if found is not None and image.is_at(found.image):
            return found
    made = revisions.copy_with(aws, running, image.uri)
    say(f"no revision has image {image}: made {made.number}, otherwise equal to {running.number}")
    return made


def _found(aws: Aws, stack: Stack, name: str) -> Revision:
    found = revisions.find(aws, name)
    if found is None:
        reason = f"ECS does not know its revision {name}"
        raise NoServiceError(stack=stack.name, reason=reason)
    return found


def _require_image(aws: Aws, stack: Stack, target: Revision) -> None:
    if images.find(aws, stack.outputs["RepositoryUri"], target.image) is None:
        raise ImageGoneError(family=target.family, number=target.number, image=target.image)
