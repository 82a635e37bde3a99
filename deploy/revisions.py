"""Revisions of the task definition and their images."""

from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from deploy.aws import Aws

# AWS never deletes ACTIVE revisions; only the newest are searched.
MAX_REVISIONS = 100


@dataclass(frozen=True)
class Revision:
    """A revision; content: its full description by ECS."""

    arn: str
    family: str
    number: int
    image: str
    is_active: bool
    content: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.number} ({short(self.image)})"


def number_of(arn: str) -> int:
    """Return the number of a revision."""
    return int(arn.rpartition(":")[2])


def short(image: str) -> str:
    """Return the tag of an image's address, or 12 characters of its digest."""
    if "@sha256:" in image:
        return image.rpartition("@sha256:")[2][:12]
    return image.rpartition(":")[2]


def find(aws: Aws, name: str) -> Revision | None:
    """Return a revision by ARN or family:number; None if there never was one."""
    try:
        answer = aws.ecs.describe_task_definition(taskDefinition=name)
    except ClientError as error:
        # The error has no specific code.
        if "Unable to describe task definition" in str(error):
            return None
        raise
    content = answer["taskDefinition"]
    return Revision(
        arn=content["taskDefinitionArn"],
        family=content["family"],
        number=content["revision"],
        image=content["containerDefinitions"][0]["image"],
        is_active=content["status"] == "ACTIVE",
        content=content,
    )


def active_numbers(aws: Aws, family: str) -> list[int]:
    """Return the numbers of ACTIVE revisions, the newest first."""
    pages = aws.ecs.get_paginator("list_task_definitions").paginate(
        familyPrefix=family,
        status="ACTIVE",
        sort="DESC",
        PaginationConfig={"MaxItems": MAX_REVISIONS},
    )
    # Emulators of AWS ignore the order.
    arns = [arn for page in pages for arn in page["taskDefinitionArns"]]
    return sorted(map(number_of, arns), reverse=True)


def copy_with(aws: Aws, revision: Revision, image: str) -> Revision:
    """Register a copy of a revision with another image."""
    register = aws.ecs.meta.service_model.operation_model("RegisterTaskDefinition")
    content = {
        name: revision.content[name]
        for name in register.input_shape.members
        if name in revision.content
    }
    first, *others = content["containerDefinitions"]
    content["containerDefinitions"] = [{**first, "image": image}, *others]
    made = aws.ecs.register_task_definition(**content)["taskDefinition"]
    arn = made["taskDefinitionArn"]
    return replace(revision, arn=arn, number=made["revision"], image=image, content=made)


def deregister_all(aws: Aws, family: str) -> int:
    """Deregister all revisions; return their number."""
    pages = aws.ecs.get_paginator("list_task_definitions").paginate(
        familyPrefix=family, status="ACTIVE"
    )
    arns = [arn for page in pages for arn in page["taskDefinitionArns"]]
    for arn in arns:
        aws.ecs.deregister_task_definition(taskDefinition=arn)
    return len(arns)
