"""Objects of Cloud Storage that several change: by ``ifGenerationMatch``, so that no change is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed, RetryError
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud import storage
from google.cloud.storage.exceptions import InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.exceptions import RequestException  # type: ignore[import-untyped]

from components.core.connections import why_broken
from components.core.errors import Failed
from components.core.masking import quoted
from components.core.store_errors import change_failed

WAIT_SECONDS = 60.0
"""How long a request is tried again after 408, 429, 500, 502, 503, 504 and dropped connections."""
FIRST_SECONDS = 1.0
"""About how long the first wait is; each later one is twice as long."""


class ChangedMeanwhile(Exception):
    """Somebody else changed an object first; or it was this very change, whose answer got lost."""


class GcsObjects:
    """The objects of one bucket. ``where`` begins each complaint, ``setting`` is what names the bucket."""

    def __init__(self, bucket: str, where: str, setting: str) -> None:
        self._where = where
        self._remedy = {
            401: "log in again (gcloud auth application-default login), or see which account this runs as",
            403: "give this account roles/storage.objectUser on the bucket",
            404: f"create the bucket, or correct its name in `{setting}` of the environment file",
            429: "the bucket is changed too often: run again",
        }
        self._retry = DEFAULT_RETRY.with_timeout(WAIT_SECONDS).with_delay(initial=FIRST_SECONDS)
        with self._explained():
            self._client = storage.Client()
            self._bucket = self._client.bucket(bucket)

    def read(self, name: str) -> tuple[bytes, int]:
        """An object's bytes and the generation that they are of; nothing and 0 where there is none."""
        with self._explained():
            blob = self._bucket.blob(name)
            try:
                data: bytes = blob.download_as_bytes(retry=self._retry)
            except NotFound:
                # A bucket that is not there must never look like an object that nobody has written.
                list(self._client.list_blobs(self._bucket, max_results=1, prefix=name, retry=self._retry))
                return b"", 0
            return data, int(blob.generation)

    def write(self, name: str, data: bytes, generation: int | None = None) -> None:
        """Writes an object whole; where a generation is given, in the place of that one alone (0: of none).

        Raises ChangedMeanwhile where it is another one by now.
        """
        match = {} if generation is None else {"if_generation_match": generation}
        with self._explained():
            self._bucket.blob(name).upload_from_string(data, "application/json", retry=self._retry, **match)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what the service and the way to it raise into a sentence."""
        try:
            yield
        except PreconditionFailed as error:
            raise ChangedMeanwhile from error
        except TransportError as error:  # of the login: what was to be changed was not asked for yet
            raise Failed(
                f"{self._where}: {_first(error)}; nothing was changed: run again with the network back"
            ) from error
        except GoogleAuthError as error:
            raise Failed(f"{self._where}: {_first(error)}; nothing was changed: {self._remedy[401]}") from error
        except (GoogleAPIError, RequestException, InvalidResponse) as error:
            last = error.__cause__ if isinstance(error, RetryError) and error.__cause__ else error
            response = getattr(last, "response", None)
            code = int(getattr(last, "code", None) or getattr(response, "status_code", None) or 0)
            raise change_failed(self._where, _first(last), code, self._remedy) from error


def _first(error: BaseException) -> str:
    """What the service says, in one line of at most 300 characters; of a connection that broke, why."""
    response: Any = getattr(error, "response", None)
    if response is None and isinstance(error, (TransportError, RequestException)):
        return why_broken(error)
    try:
        said = response.json()["error"]["message"]
    except (AttributeError, KeyError, TypeError, ValueError):  # no answer, or none of the service's own
        said = str(error)
    return quoted(str(said)).rstrip(".") or type(error).__name__
