"""Data that a deleted stack leaves behind: models, images, logs. Its names are known."""

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
    """Names, as in the template."""

    bucket: str
    repository: str
    log_group: str

    def by_property(self) -> dict[str, str]:
        """Return the names by property of the template."""
        return {
            "BucketName": self.bucket,
            "RepositoryName": self.repository,
            "LogGroupName": self.log_group,
        }

    def lines(self) -> list[str]:
        """Return a line for each."""
        return [
            f"bucket {self.bucket} (models, all versions)",
            f"repository {self.repository} (images)",
            f"log group {self.log_group}",
        ]


def named(aws: Aws, stack: str, repository: str) -> Data:
    """Return the names of the data of a stack."""
    account = aws.sts.get_caller_identity()["Account"]
    return Data(f"{stack}-models-{account}-{aws.region}", repository, f"/ecs/{stack}")


def delete(aws: Aws, data: Data) -> Iterator[str]:
    """Delete all of it; yield a line for each step. Data may be deleted already."""
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
        error.add_note("the same command again deletes the rest")
        raise error
    return f"was deleted already: {what}"


def _empty(aws: Aws, bucket: str) -> int:
    deleted = 0
    # A page has no more versions than one call may delete.
    for page in aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not versions:
            continue
        keys = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions]
        answer = aws.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if failures := answer.get("Errors", []):
            first = failures[0].get("Message", "")
            raise DataLeftError(bucket=bucket, failures=len(failures), first=first)
        deleted += len(keys)
    return deleted
