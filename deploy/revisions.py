"""Revisions of the task definition: which there are, and what each would run."""

from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from deploy.aws import Aws

# AWS deletes no ACTIVE revision by itself: of years of them only these are looked through.
LOOKED_THROUGH = 100


@dataclass(frozen=True)
class Revision:
    """A revision; content: all of it, as ECS describes it."""

    arn: str
    family: str
    number: int
    image: str
    is_active: bool
    content: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.number} ({short(self.image)})"


def number_of(arn: str) -> int:
    """Give a revision's number."""
    return int(arn.rpartition(":")[2])


def short(image: str) -> str:
    """Shorten an image's address to what tells it from others: its tag, or 12 of the digest."""
    if "@sha256:" in image:
        return image.rpartition("@sha256:")[2][:12]
    return image.rpartition(":")[2]


def find(aws: Aws, name: str) -> Revision | None:
    """Look a revision up, by ARN or family:number; None where there never was one."""
    try:
        answer = aws.ecs.describe_task_definition(taskDefinition=name)
    except ClientError as error:
        # It has no code of its own.
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
    """List ACTIVE revisions, the newest first."""
    pages = aws.ecs.get_paginator("list_task_definitions").paginate(
        familyPrefix=family,
        status="ACTIVE",
        sort="DESC",
        PaginationConfig={"MaxItems": LOOKED_THROUGH},
    )
    # The order is kept by AWS only.
    arns = [arn for page in pages for arn in page["taskDefinitionArns"]]
    return sorted(map(number_of, arns), reverse=True)


def copy_with(aws: Aws, revision: Revision, image: str) -> Revision:
    """Register a revision that differs in its image alone."""
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
    """Make all revisions INACTIVE, and count them."""
    pages = aws.ecs.get_paginator("list_task_definitions").paginate(
        familyPrefix=family, status="ACTIVE"
    )
    arns = [arn for page in pages for arn in page["taskDefinitionArns"]]
    for arn in arns:
        aws.ecs.deregister_task_definition(taskDefinition=arn)
    return len(arns)
