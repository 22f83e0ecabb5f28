"""S3's buckets that an environment names: whether each is there, and where clients here take it to be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from components.core.connections import why_broken
from components.core.errors import InvalidInput, Unreachable
from pipelines.doctor.check import Check, NotChecked
from pipelines.doctor.places import buckets
from pipelines.environment import Environment

CONNECT_SECONDS, READ_SECONDS = 5, 20
SOMEWHERE = "us-east-1"
"""Whom a client asks that was told no region; S3 says there where a bucket lies."""


def checks(environment: Environment) -> Iterator[Check]:
    """All that is looked at for an environment."""
    for bucket, named in buckets(environment, "s3://").items():
        yield Check(f"bucket {bucket}", partial(_bucket, bucket, named))


def _bucket(bucket: str, named: str) -> str:
    import botocore.session  # type: ignore[import-untyped, unused-ignore]

    session = botocore.session.get_session()
    here = session.get_config_variable("region") or ""
    answer = _answer(session, bucket, here)
    status, place = answer["HTTPStatusCode"], answer["HTTPHeaders"].get("x-amz-bucket-region", "")
    if status == 404:
        raise InvalidInput(
            f"there is none ({named}); `aws s3 mb s3://{bucket} --region {here or 'REGION'}`, or correct the"
            " environment file"
        )
    if not place:
        raise NotChecked(
            f"where it lies is not told ({named}, answered {status}); `aws s3api get-bucket-location --bucket {bucket}`"
        )
    if not here:
        raise NotChecked(
            f"lies in {place} ({named}), and no region is set here to hold that against; export AWS_DEFAULT_REGION, the"
            " one that the steps run in"
        )
    if place != here:
        raise InvalidInput(
            f"lies in {place}, and {here} is the region that is set here ({named}): each byte is carried there and paid"
            " for; name a bucket of that region, or correct AWS_DEFAULT_REGION"
        )
    return f"is in {place} ({named})"


def _answer(session: Any, bucket: str, region: str) -> dict[str, Any]:
    """What S3 says of a bucket: it tells the region also to whom it does not let in."""
    from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]
    from botocore.exceptions import (  # type: ignore[import-untyped, unused-ignore]
        BotoCoreError,
        ClientError,
        NoCredentialsError,
    )

    times = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"max_attempts": 0})
    try:
        client = session.create_client("s3", region_name=region or SOMEWHERE, config=times)
        found: dict[str, Any] = client.head_bucket(Bucket=bucket)["ResponseMetadata"]
    except ClientError as error:
        found = error.response["ResponseMetadata"]
    except NoCredentialsError as error:
        raise NotChecked("there is no login for S3 here; `aws configure`, or look from where steps run") from error
    except BotoCoreError as error:
        raise Unreachable(
            f"S3 does not answer ({why_broken(error)}); see the network, and AWS_ENDPOINT_URL_S3"
        ) from error
    return found
