"""An account on loopback: moto, and the parts of ECS that moto lacks.

moto's CloudFormation makes no load balancer of a service, no alarm and no secret, forgets replaced
revisions (ours are to be kept), mistakes previous parameters and rolls nothing out. Here revisions
are registered through the API, and a rollout advances each time somebody looks, along a script, as
ECS documents it.
"""

import copy
import functools
import hashlib
import json
from collections.abc import Iterable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.cloudformation.models import cloudformation_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ecs.models import ecs_backends

from deploy import template
from deploy.data import Data
from tests.deploy.front import Front

REGION = "eu-west-1"
STACK = "mlops"
REPOSITORY = f"{DEFAULT_ACCOUNT_ID}.dkr.ecr.{REGION}.amazonaws.com/mlops/api"
BUCKET = f"{STACK}-models-{DEFAULT_ACCOUNT_ID}-{REGION}"
TAGS = ("aaa", "bbb", "ccc")


def some_by_default(numbers: Iterable[int], *default: int) -> list[Any]:
    """Return all numbers as parameters; those that are not named run with the slow tests."""
    return [n if n in default else pytest.param(n, marks=pytest.mark.slow) for n in numbers]


def layer_of(tag: str) -> str:
    return f"sha256:{hashlib.sha256(tag.encode()).hexdigest()}"


def digest_of(tag: str) -> str:
    """Return the digest of an image as moto computes it: from its layers."""
    return f"sha256:{hashlib.sha256(layer_of(tag).encode()).hexdigest()}"


def address_of(tag: str) -> str:
    return f"{REPOSITORY}@{digest_of(tag)}"


@functools.cache
def client_of(service: str, url: str) -> Any:
    """Return a cached client: making one takes longer than most calls."""
    return boto3.client(service, endpoint_url=url, config=Config(retries={"mode": "standard"}))


class Cloud:
    """The account, as tests read and change it without the commands."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.front = Front(upstream)
        self.url = f"http://{upstream[0]}:{upstream[1]}"
        # What each look at the service finds; the last stays.
        self.rollout = ["IN_PROGRESS", "COMPLETED"]
        self.front.after["UpdateService"] = self._begin_rollout
        self.front.before["DescribeServices"] = self._advance_rollout
        self.front.before["CreateChangeSet"] = self._word_parameters
        self.front.after["ExecuteChangeSet"] = self._remember_parameters

    def client(self, service: str) -> Any:
        """Return a client of moto itself, which the front does not record."""
        return client_of(service, self.url)

    def push(self, tag: str) -> None:
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2}
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {**config, "digest": layer_of(tag)},
            "layers": [{"digest": layer_of(tag)}],
        }
        self.client("ecr").put_image(
            repositoryName="mlops/api", imageManifest=json.dumps(manifest), imageTag=tag
        )

    def remove_image(self, tag: str) -> None:
        self.client("ecr").batch_delete_image(
            repositoryName="mlops/api", imageIds=[{"imageTag": tag}]
        )

    def build(self) -> None:
        """Make a stack that serves the third of three images, after the two before."""
        # moto takes a parameter that was not given for a changed one, and cannot change what a
        # condition left out: so all are given.
        parameters = {**template.defaults(), template.IMAGE: address_of("ccc")}
        data = Data(BUCKET, "mlops/api", f"/ecs/{STACK}")
        self.client("cloudformation").create_stack(
            StackName=STACK,
            TemplateBody=template.body_naming(data.by_property()),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        )
        for tag in TAGS:
            self.push(tag)
        first = self.backend.task_definitions[STACK][1]
        container = first.container_definitions[0]
        # Of what moto makes no secret it names none.
        container["secrets"] = [each for each in container["secrets"] if each]
        container["secrets"][0]["valueFrom"] = "arn:aws:secretsmanager:eu-west-1:1:secret:key"
        container["image"] = address_of("aaa")
        self.register("bbb")
        self.register("ccc")
        self.service.desired_count = self.service.running_count = 1
        self.service.pending_count = 0
        self.put_service_on(3)
        self.let_the_stack_say(3)

    @property
    def backend(self) -> Any:
        return ecs_backends[DEFAULT_ACCOUNT_ID][REGION]

    @property
    def service(self) -> Any:
        return next(iter(self.backend.services.values()))

    @property
    def stacks(self) -> list[Any]:
        return list(cloudformation_backends[DEFAULT_ACCOUNT_ID][REGION].stacks.values())

    @property
    def stack(self) -> Any:
        return self.stacks[0]

    def register(self, tag: str) -> int:
        """Register a revision as a changed ImageUri does."""
        newest = self.backend.task_definitions[STACK][1]
        container = {**copy.deepcopy(newest.container_definitions[0]), "image": address_of(tag)}
        made = self.client("ecs").register_task_definition(
            family=STACK, containerDefinitions=[container], memory="1024", cpu="512"
        )
        return int(made["taskDefinition"]["revision"])

    def arn(self, number: int) -> str:
        return str(self.backend.task_definitions[STACK][number].arn)

    def revisions(self) -> list[int]:
        arns = self.client("ecs").list_task_definitions(familyPrefix=STACK)["taskDefinitionArns"]
        return sorted(int(arn.rpartition(":")[2]) for arn in arns)

    def put_service_on(self, number: int, state: str = "COMPLETED") -> None:
        self.service.task_definition = self.arn(number)
        self.service.deployments = [self._deployment(number, state)]

    def let_the_stack_say(self, number: int) -> None:
        revision = self.backend.task_definitions[STACK][number]
        revision.logical_resource_id = "TaskDefinition"
        self.stack.resource_map._parsed_resources["TaskDefinition"] = revision

    def running(self) -> int:
        return int(self.service.task_definition.rpartition(":")[2])

    def _word_parameters(self) -> None:
        """Keep previous values as they were given: moto returns them parsed."""
        for stack in self.stacks:
            known = stack.resource_map.resolved_parameters
            known |= {k: ",".join(v) for k, v in known.items() if isinstance(v, list)}
            known |= {k: str(v) for k, v in known.items()}

    def _remember_parameters(self, answer: bytes) -> bytes:
        """Compare the next change with this one: moto compares it with the first."""
        for stack in self.stacks:
            stack.parameters = stack.resource_map.input_parameters
        return answer

    def _deployment(self, number: int, state: str) -> dict[str, Any]:
        done = state == "COMPLETED"
        return {
            **{k: v for k, v in self.service.deployments[0].items() if not k.endswith("At")},
            "id": f"ecs-svc/{number}-{len(self.front.calls)}",
            "status": "PRIMARY",
            "taskDefinition": self.arn(number),
            "rolloutState": state,
            "rolloutStateReason": "",
            "desiredCount": 1,
            "runningCount": int(done),
            "pendingCount": int(not done),
        }

    def _begin_rollout(self, answer: bytes) -> bytes:
        content = json.loads(answer)
        was = self.service.deployments[0]
        old = {**{k: v for k, v in was.items() if not k.endswith("At")}, "status": "ACTIVE"}
        self.service.deployments = [self._deployment(self.running(), "IN_PROGRESS"), old]
        content["service"]["deployments"] = self.service.deployments
        return json.dumps(content).encode()

    def _advance_rollout(self) -> None:
        first, *others = self.service.deployments
        if not others:
            return
        state = self.rollout.pop(0) if len(self.rollout) > 1 else self.rollout[0]
        if state == "COMPLETED":
            first |= {"rolloutState": state, "runningCount": 1, "pendingCount": 0}
            self.service.deployments = [first]
        if state == "FAILED":
            # The circuit breaker: the rollout is over, another one leads back.
            why = "ECS deployment circuit breaker: tasks failed to start."
            first |= {"rolloutState": state, "rolloutStateReason": why, "status": "ACTIVE"}
            back = int(others[0]["taskDefinition"].rpartition(":")[2])
            self.service.task_definition = self.arn(back)
            self.service.deployments = [self._deployment(back, "IN_PROGRESS"), first]
