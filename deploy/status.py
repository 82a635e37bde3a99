"""State and health of a stack and its service, as text or JSON."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from deploy import images, revisions, services, stacks
from deploy.aws import Aws, opened
from deploy.services import Service
from deploy.stacks import Stack

EVENTS = 5


@dataclass(frozen=True)
class Status:
    """The state; is_healthy: rollout complete, all tasks running, targets healthy, no alarm."""

    stack: str
    state: str
    is_healthy: bool
    outputs: dict[str, str]
    service: dict[str, Any] | None
    targets: dict[str, str]
    alarms: dict[str, str]


def status(*, stack: str, region: str | None, profile: str | None, as_json: bool) -> str:
    """Return the state of the stack and its service."""
    aws = opened(region, profile)
    found = _read_status(aws, stacks.existing(aws, stack))
    return json.dumps(asdict(found), indent=2) if as_json else "\n".join(_lines(found))


def _read_status(aws: Aws, stack: Stack) -> Status:
    serves = "ServiceName" in stack.outputs
    service = services.described(aws, stack) if serves else None
    targets = _targets(aws, service) if service else {}
    alarms = _alarms(aws, stack)
    all_there = service is not None and service.is_at_rest and service.running >= service.desired
    return Status(
        stack=stack.name,
        state=stack.state,
        is_healthy=all_there
        and all(state == "healthy" for state in targets.values())
        and "ALARM" not in alarms.values(),
        outputs=dict(sorted(stack.outputs.items())),
        service=_service(aws, stack, service) if service else None,
        targets=targets,
        alarms=alarms,
    )


def _service(aws: Aws, stack: Stack, service: Service) -> dict[str, Any]:
    revision = revisions.find(aws, service.revision)
    image = images.find(aws, stack.outputs["RepositoryUri"], revision.image) if revision else None
    expected = stack.outputs.get("TaskDefinition", service.revision)
    return {
        "name": service.name,
        "desired": service.desired,
        "running": service.running,
        "pending": service.pending,
        "revision": revisions.number_of(service.revision),
        "revision_of_the_stack": revisions.number_of(expected),
        "image": revision.image if revision else None,
        "tags": list(image.tags) if image else [],
        "image_is_there": image is not None,
        "rollouts": [asdict(each) for each in service.rollouts],
        "events": list(service.events[:EVENTS]),
    }


def _targets(aws: Aws, service: Service) -> dict[str, str]:
    found = [
        each
        for group in service.target_groups
        for each in aws.load_balancing.describe_target_health(TargetGroupArn=group)[
            "TargetHealthDescriptions"
        ]
    ]
    return {each["Target"]["Id"]: each["TargetHealth"]["State"] for each in found}


def _alarms(aws: Aws, stack: Stack) -> dict[str, str]:
    # The names of resources that CloudFormation makes begin with the stack's.
    pages = aws.cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=f"{stack.name}-"
    )
    return {
        each["AlarmName"]: each["StateValue"] for page in pages for each in page["MetricAlarms"]
    }


def _lines(status: Status) -> list[str]:
    lines = [f"stack     {status.stack}: {status.state}"]
    if status.service is None:
        lines.append("service   none yet: python -m deploy deploy --image TAG")
    else:
        lines += _lines_of(status.service)
    lines += [f"target    {name}: {state}" for name, state in status.targets.items()]
    lines += [f"alarm     {name}: {state}" for name, state in status.alarms.items()]
    lines += [f"{name:<16} {value}" for name, value in status.outputs.items()]
    return [*lines, "healthy" if status.is_healthy else "not healthy, or not yet"]


def _lines_of(service: dict[str, Any]) -> list[str]:
    counts = "{running} of {desired} running, {pending} pending".format(**service)
    lines = [f"service   {service['name']}: {counts}"]
    tags = ", ".join(service["tags"]) or "no tag"
    gone = "" if service["image_is_there"] else "; it is no longer in ECR"
    lines.append(f"revision  {service['revision']}: {service['image']} ({tags}{gone})")
    if service["revision"] != service["revision_of_the_stack"]:
        lines.append(f"          the stack has {service['revision_of_the_stack']}: rolled back")
    lines += [
        f"rollout   revision {revisions.number_of(each['revision'])}: {each['state']}"
        f", {each['running']} of {each['desired']} running {each['reason']}".rstrip()
        for each in service["rollouts"]
    ]
    return [*lines, *(f"event     {event}" for event in service["events"])]
