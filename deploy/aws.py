"""AWS clients of one region, with checked credentials and region."""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config

from deploy.errors import NoCredentialsFoundError, NoRegionGivenError, UnknownRegionError
from tabproof.errors import suggested

# boto3 has no types of its own.
Client = Any

# Seconds. Without them, a network that drops packets blocks a command for minutes.
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0


@dataclass(frozen=True)
class Aws:
    """A session and its clients."""

    session: Any
    region: str

    @cached_property
    def cloudformation(self) -> Client:
        """Stacks."""
        return self._client("cloudformation")

    @cached_property
    def ecs(self) -> Client:
        """Services, rollouts, task definitions."""
        return self._client("ecs")

    @cached_property
    def ecr(self) -> Client:
        """Images."""
        return self._client("ecr")

    @cached_property
    def load_balancing(self) -> Client:
        """Targets and their health."""
        return self._client("elbv2")

    @cached_property
    def cloudwatch(self) -> Client:
        """Alarms."""
        return self._client("cloudwatch")

    @cached_property
    def logs(self) -> Client:
        """Log groups."""
        return self._client("logs")

    @cached_property
    def s3(self) -> Client:
        """The bucket of models."""
        return self._client("s3")

    @cached_property
    def sts(self) -> Client:
        """The caller's identity."""
        return self._client("sts")

    def _client(self, service: str) -> Client:
        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            # AWS_MAX_ATTEMPTS sets the number of attempts.
            retries={"mode": "standard"},
        )
        return self.session.client(service, config=config)


def opened(region: str | None, profile: str | None) -> Aws:
    """Open a session; raise UserError without a usable region or credentials."""
    # All other AWS tools read AWS_REGION; boto3 only reads AWS_DEFAULT_REGION.
    chosen = region or os.environ.get("AWS_REGION") or None
    session = boto3.Session(profile_name=profile, region_name=chosen)
    found = session.region_name
    if not found:
        raise NoRegionGivenError
    known = [
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("ecs", partition_name=partition)
    ]
    if found not in known:
        suggestion = suggested(get_close_matches(found, known, n=2))
        raise UnknownRegionError(region=found, suggestion=suggestion)
    if session.get_credentials() is None:
        raise NoCredentialsFoundError(reason="none found")
    return Aws(session, found)
