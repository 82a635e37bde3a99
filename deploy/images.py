"""Images in ECR, found by tag or digest."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.aws import Aws
from deploy.errors import ForeignImageError, ImageMissingError, RepositoryMissingError
from deploy.refusals import code_of

DIGEST = "sha256:"
NEWEST = 5


@dataclass(frozen=True)
class Image:
    """An image; repository: its full address."""

    repository: str
    digest: str
    tags: tuple[str, ...]

    @property
    def uri(self) -> str:
        """The address by digest."""
        return f"{self.repository}@{self.digest}"

    def __str__(self) -> str:
        return self.tags[0] if self.tags else self.digest

    def is_at(self, uri: str) -> bool:
        """Return whether an address, by digest or by tag, is that of this image."""
        return uri in {self.uri, *(f"{self.repository}:{tag}" for tag in self.tags)}


def address_of(aws: Aws, name: str) -> str:
    """Return the full address of a repository."""
    try:
        answer = aws.ecr.describe_repositories(repositoryNames=[name])
    except ClientError as error:
        if code_of(error) == "RepositoryNotFoundException":
            raise RepositoryMissingError(repository=name) from None
        raise
    return str(answer["repositories"][0]["repositoryUri"])


def required(aws: Aws, repository: str, asked: str) -> Image:
    """Return an image; raise ImageMissingError. asked: a tag, a digest or a full address."""
    image = find(aws, repository, asked)
    if image is None:
        raise ImageMissingError(asked, repository, _newest_tags(aws, repository))
    return image


def find(aws: Aws, repository: str, asked: str) -> Image | None:
    """Return an image, or None if it is not in the repository."""
    reference = _reference(repository, asked)
    kind = "imageDigest" if reference.startswith(DIGEST) else "imageTag"
    try:
        answer = aws.ecr.describe_images(
            repositoryName=_name(repository), imageIds=[{kind: reference}]
        )
    except ClientError as error:
        if code_of(error) == "ImageNotFoundException":
            return None
        if code_of(error) == "RepositoryNotFoundException":
            raise RepositoryMissingError(repository=_name(repository)) from None
        raise
    found = answer["imageDetails"][0]
    return Image(repository, found["imageDigest"], tuple(sorted(found.get("imageTags", []))))


def _name(repository: str) -> str:
    return repository.partition("/")[2]


def _reference(repository: str, asked: str) -> str:
    if "/" not in asked:
        return asked.removeprefix(":").removeprefix("@")
    for mark in "@:":
        if asked.startswith(repository + mark):
            return asked.removeprefix(repository + mark)
    raise ForeignImageError(image=asked, repository=repository)


def _newest_tags(aws: Aws, repository: str) -> list[str]:
    pages = aws.ecr.get_paginator("describe_images").paginate(repositoryName=_name(repository))
    details: list[Any] = [each for page in pages for each in page["imageDetails"]]
    details = [each for each in details if each.get("imageTags")]
    details.sort(key=lambda each: each["imagePushedAt"], reverse=True)
    return [each["imageTags"][0] for each in details[:NEWEST]]
