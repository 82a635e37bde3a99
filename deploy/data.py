"""What a stack leaves behind: models, images, logs. Found by name, also when the stack is gone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.aws import Aws
from deploy.errors import DataLeftError
from deploy.refusals import code_of
from tabproof.text import counted

ABSENT = {"NoSuchBucket", "RepositoryNotFoundException", "ResourceNotFoundException"}


@dataclass(frozen=True)
class Data:
    """Names, as the template says them."""

    bucket: str
    repository: str
    log_group: str

    def by_property(self) -> dict[str, str]:
        """Name the properties of the template that say these names."""
        return {
            "BucketName": self.bucket,
            "RepositoryName": self.repository,
            "LogGroupName": self.log_group,
        }

    def lines(self) -> list[str]:
        """Word what there is, or was."""
        return [
            f"bucket {self.bucket} (models, all versions)",
            f"repository {self.repository} (images)",
            f"log group {self.log_group}",
        ]


def named(aws: Aws, stack: str, repository: str) -> Data:
    """Name the data of a stack."""
    account = aws.sts.get_caller_identity()["Account"]
    return Data(f"{stack}-models-{account}-{aws.region}", repository, f"/ecs/{stack}")


def delete(aws: Aws, data: Data) -> Iterator[str]:
    """Delete all of it, telling each step; what is gone already is no error."""
    try:
        objects = _empty(aws, data.bucket)
        aws.s3.delete_bucket(Bucket=data.bucket)
        yield f"deleted: bucket {data.bucket} ({counted(objects, 'version')})"
    except ClientError as error:
        yield _absent(error, f"bucket {data.bucket}")
    try:
        aws.ecr.delete_repository(repositoryName=data.repository, force=True)
        yield f"deleted: repository {data.repository}"
    except ClientError as error:
        yield _absent(error, f"repository {data.repository}")
    try:
        aws.logs.delete_log_group(logGroupName=data.log_group)
        yield f"deleted: log group {data.log_group}"
    except ClientError as error:
        yield _absent(error, f"log group {data.log_group}")


def _absent(error: ClientError, what: str) -> str:
    if code_of(error) not in ABSENT:
        error.add_note("what is left goes when the same is said again")
        raise error
    return f"was gone already: {what}"


def _empty(aws: Aws, bucket: str) -> int:
    deleted = 0
    # A page holds no more than one call may delete.
    for page in aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not versions:
            continue
        keys = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions]
        answer = aws.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if failures := answer.get("Errors", []):
            raise DataLeftError(bucket, len(failures), failures[0].get("Message", ""))
        deleted += len(keys)
    return deleted
