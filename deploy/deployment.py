"""Deploy: find the image, show the change, make it and wait for it."""

from pathlib import Path

from deploy import asking, changes, data, images, revisions, services, stacks, template
from deploy.aws import Aws, opened
from deploy.errors import PROGRAM, DriftError
from deploy.stacks import Stack
from deploy.waiting import Patience
from tabproof.runtime.console import say
from tabproof.text import counted


def deploy(
    *,
    stack: str,
    region: str | None,
    profile: str | None,
    image: str | None,
    parameters: Path | None,
    assignments: list[str],
    yes: bool,
    dry_run: bool,
    patience: Patience,
) -> str:
    """Make or change the stack; return what was done."""
    given = template.given(parameters, assignments)
    name = template.checked_name(stack)
    if not (yes or dry_run):
        asking.require_terminal(f"deploy would change stack '{name}'")
    aws = opened(region, profile)
    found = stacks.find(aws, name)
    if found is not None:
        stacks.require_idle(found)
    if image is not None:
        given[template.IMAGE] = images.required(aws, _repository(aws, found, given), image).uri
    elif found is not None and (drift := _drift(aws, found)):
        running, image, expected = drift
        raise DriftError(running=running, image=image, stack=expected)
    body = template.body_naming(data.named(aws, name, _repository_name(found, given)).by_property())
    change_set = changes.propose(aws, name, found, body, given, patience)
    if change_set is None:
        return _nothing_to_do(aws, found)
    return _carried_out(aws, name, change_set, patience, yes=yes, dry_run=dry_run)


def _repository(aws: Aws, found: Stack | None, given: dict[str, str]) -> str:
    """Return the address of the repository, which an earlier stack may have left behind."""
    outputs = found.outputs if found else {}
    if "RepositoryName" not in given and "RepositoryUri" in outputs:
        return outputs["RepositoryUri"]
    return images.address_of(aws, _repository_name(found, given))


def _repository_name(found: Stack | None, given: dict[str, str]) -> str:
    known = {**template.defaults(), **(found.parameters if found else {}), **given}
    return known["RepositoryName"]


def _drift(aws: Aws, stack: Stack) -> tuple[str, str, str] | None:
    """Return running revision, its image and the stack's revision if the two revisions differ."""
    if not {"ServiceName", "TaskDefinition"} <= stack.outputs.keys():
        return None
    runs, expected = services.described(aws, stack).revision, stack.outputs["TaskDefinition"]
    running = revisions.find(aws, runs) if runs != expected else None
    if running is None:
        return None
    image = running.image.removeprefix(stack.outputs["RepositoryUri"]).lstrip(":@")
    return str(running.number), image, str(revisions.number_of(expected))


def _nothing_to_do(aws: Aws, stack: Stack | None) -> str:
    line = "no changes: the stack is up to date"
    if stack is not None and (drift := _drift(aws, stack)):
        running, _, expected = drift
        line += (
            f"; but the service was rolled back to revision {running}:"
            f" {PROGRAM} rollback --to {expected} takes it forward"
        )
    return line


def _carried_out(
    aws: Aws,
    name: str,
    change_set: changes.ChangeSet,
    patience: Patience,
    *,
    yes: bool,
    dry_run: bool,
) -> str:
    with changes.withdrawn_on_failure(aws, change_set):
        for line in change_set.changes:
            say(line)
        if dry_run or not (yes or asking.is_agreed(_question(name, change_set))):
            changes.withdraw(aws, change_set)
            return "nothing was changed"
        last = stacks.newest_event(aws, change_set.stack_id)
        changes.execute(aws, change_set)
    now = stacks.wait(aws, name, change_set.stack_id, last, patience)
    lines = [f"{key:<16} {value}" for key, value in sorted(now.outputs.items())]
    if "ServiceName" not in now.outputs:
        lines.append(f"no service yet: push an image, then {PROGRAM} deploy --image TAG")
    return "\n".join([f"stack '{name}' is {now.state}", *lines])


def _question(name: str, change_set: changes.ChangeSet) -> str:
    return f"{counted(len(change_set.changes), 'change')} of stack '{name}': continue?"
