"""Objects of S3 that several change: by ``If-Match``, so that no change is lost where the service honours it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import botocore.session  # type: ignore[import-untyped, unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]
from botocore.exceptions import (  # type: ignore[import-untyped, unused-ignore]
    BotoCoreError,
    ClientError,
    NoCredentialsError,
)

from components.core.connections import why_broken
from components.core.errors import Failed
from components.core.gcs_objects import ChangedMeanwhile
from components.core.masking import quoted
from components.core.store_errors import change_failed

ATTEMPTS = 4
CONNECT_SECONDS, READ_SECONDS = 10, 60
CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
"""What S3 says to a conditional write that came second."""


class S3Objects:
    """The objects of one bucket. ``where`` begins each complaint, ``setting`` is what names the bucket."""

    def __init__(self, bucket: str, where: str, setting: str) -> None:
        self._where, self._bucket = where, bucket
        self._remedy = {
            403: "give this login s3:GetObject and s3:PutObject there, and s3:ListBucket on the bucket",
            404: f"create the bucket, or correct its name in `{setting}` of the environment file",
        }
        times = Config(
            connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": ATTEMPTS}
        )
        with self._explained():
            self._client = botocore.session.get_session().create_client("s3", config=times)

    def read(self, name: str) -> tuple[bytes, str]:
        """An object's bytes and the version that they are of; nothing and "" where there is none."""
        with self._explained():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=name)
            except self._client.exceptions.NoSuchKey:
                return b"", ""
            return answer["Body"].read(), answer["ETag"]

    def write(self, name: str, data: bytes, version: str) -> None:
        """Writes an object whole in the place of that version alone ("": of none).

        Raises ChangedMeanwhile where it is another one by now.
        """
        match = {"IfMatch": version} if version else {"IfNoneMatch": "*"}
        with self._explained():
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=name, Body=data, ContentType="application/json", **match
                )
            except ClientError as error:
                if error.response["Error"].get("Code") in CHANGED:
                    raise ChangedMeanwhile from error
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what the service and the way to it raise into a sentence."""
        try:
            yield
        except NoCredentialsError as error:
            raise Failed(
                f"{self._where}: there is no login for S3 here; nothing was changed: `aws configure`"
            ) from error
        except (ClientError, BotoCoreError) as error:
            answer = getattr(error, "response", None) or {}
            words = quoted(str(error)) if answer else why_broken(error)
            code = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise change_failed(self._where, words, code, self._remedy) from error
