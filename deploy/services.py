"""The ECS service: its revision, and its rollouts until they are complete."""

from dataclasses import dataclass
from typing import Any

from deploy.aws import Aws
from deploy.errors import NoServiceError, RolloutFailedError
from deploy.revisions import number_of
from deploy.stacks import Stack
from deploy.waiting import Patience, aws_continues
from tabproof.runtime.console import say


@dataclass(frozen=True)
class Rollout:
    """A deployment of ECS: one revision, complete or in progress."""

    id: str
    is_primary: bool
    revision: str
    state: str
    reason: str
    desired: int
    running: int
    pending: int
    failed: int

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        counts = f"{self.running} of {self.desired} running, {self.pending} pending{failed}"
        return f"revision {number_of(self.revision)}: {self.state}, {counts}"


@dataclass(frozen=True)
class Service:
    """The state of a service at one moment; events: the newest first."""

    cluster: str
    name: str
    revision: str
    desired: int
    running: int
    pending: int
    rollouts: tuple[Rollout, ...]
    events: tuple[str, ...]
    target_groups: tuple[str, ...]

    @property
    def primary(self) -> Rollout | None:
        """The rollout to which all tasks move."""
        return next((each for each in self.rollouts if each.is_primary), None)

    @property
    def is_at_rest(self) -> bool:
        """Whether the last rollout is complete."""
        return self.primary is not None and self.primary.state == "COMPLETED"


def described(aws: Aws, stack: Stack) -> Service:
    """Return the service of a stack."""
    cluster, name = stack.outputs["ClusterName"], stack.outputs["ServiceName"]
    found = aws.ecs.describe_services(cluster=cluster, services=[name])["services"]
    if not found or found[0]["status"] == "INACTIVE":
        raise NoServiceError(stack=stack.name, reason=f"ECS does not know '{name}'")
    return _service(cluster, name, found[0])


def begin(
    aws: Aws, service: Service, revision: str | None = None, *, new_tasks: bool = False
) -> str:
    """Start a rollout and return its id; new_tasks: new tasks even of the same revision."""
    answer = aws.ecs.update_service(
        cluster=service.cluster,
        service=service.name,
        **({"taskDefinition": revision} if revision else {}),
        **({"forceNewDeployment": True} if new_tasks else {}),
    )
    primary = _service(service.cluster, service.name, answer["service"]).primary
    return primary.id if primary else ""


def wait(aws: Aws, stack: Stack, rollout: str, patience: Patience) -> Service:
    """Print the progress of a rollout until it is complete; raise RolloutFailedError.

    Failing tasks trigger the circuit breaker of ECS, and alarms stop a rollout too. Both roll the
    service back, with another rollout.
    """
    printed = ""
    with aws_continues():
        for _ in patience.polls("the rollout"):
            service = described(aws, stack)
            ours = next((each for each in service.rollouts if each.id == rollout), None)
            if ours is None or not ours.is_primary or ours.state == "FAILED":
                raise _failure(service, ours)
            if str(ours) != printed:
                say(printed := str(ours))
            if ours.state == "COMPLETED":
                break
    return service


def _failure(service: Service, ours: Rollout | None) -> RolloutFailedError:
    event = next(iter(service.events), "")
    reason = ours.reason if ours and ours.state == "FAILED" else "another rollout replaced it"
    reason = "; ".join(filter(None, (reason, event)))
    revision = str(number_of(ours.revision)) if ours else "that was requested"
    primary = number_of(service.revision)
    return RolloutFailedError(revision=revision, reason=reason, primary=primary)


def _service(cluster: str, name: str, found: Any) -> Service:
    groups = [each.get("targetGroupArn", "") for each in found.get("loadBalancers", [])]
    return Service(
        cluster=cluster,
        name=name,
        revision=found["taskDefinition"],
        desired=found["desiredCount"],
        running=found["runningCount"],
        pending=found["pendingCount"],
        rollouts=tuple(_rollout(each) for each in found.get("deployments", [])),
        events=tuple(each["message"] for each in found.get("events", [])),
        target_groups=tuple(filter(None, groups)),
    )


def _rollout(found: Any) -> Rollout:
    return Rollout(
        id=found["id"],
        is_primary=found["status"] == "PRIMARY",
        revision=found["taskDefinition"],
        state=found.get("rolloutState", "IN_PROGRESS"),
        reason=found.get("rolloutStateReason", ""),
        desired=found["desiredCount"],
        running=found["runningCount"],
        pending=found["pendingCount"],
        failed=found.get("failedTasks", 0),
    )
