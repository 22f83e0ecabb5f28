"""Reads a model of a Hugging Face hub at one commit, a file at a time, with the hub's own client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import disable_progress_bars

from components.core.errors import Failed, InvalidInput
from components.core.masking import SCHEME
from components.core.secrets import resolve_secret
from components.train.base.settings import Hub

disable_progress_bars()


class Repository:
    """The files of a model at its commit.

    Raises InvalidInput when the hub does not know the model or the commit, or wants a (better) token, and Failed
    when the hub does not answer; each in a sentence.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.endpoint = (hub.endpoint or os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
        self._token = token_of(hub)
        with self._explained():
            info = HfApi(endpoint=self.endpoint, token=self._token or False).model_info(
                hub.id, revision=hub.revision, files_metadata=True
            )
        self.licence = str((info.card_data or {}).get("license") or "")
        self._digests = {file.rfilename: file.lfs.sha256 if file.lfs else "" for file in info.siblings or []}

    @property
    def names(self) -> list[str]:
        """The names of all files."""
        return sorted(self._digests)

    def fetch(self, name: str, folder: Path) -> Path:
        """Downloads one file into ``folder``."""
        with self._explained():
            path = hf_hub_download(
                self.hub.id,
                name,
                revision=self.hub.revision,
                local_dir=folder,
                endpoint=self.endpoint,
                token=self._token or False,
            )
        return Path(path)

    def verify(self, name: str, sha256: str) -> None:
        """Raises Failed when a large file is not the one that the commit names."""
        expected = self._digests[name]
        if expected and expected != sha256:
            raise Failed(
                f"hub {self.endpoint}: {name} of {self.hub.id} arrived with SHA-256 {sha256[:12]}…, its commit says"
                f" {expected[:12]}…; run again"
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what the client raises into a sentence."""
        model, where = self.hub.id, f"hub {self.endpoint}"
        try:
            yield
        except GatedRepoError as error:
            raise InvalidInput(f"{where}: {model} is gated: accept its terms on the hub, and {self._advice}") from error
        except RevisionNotFoundError as error:
            raise InvalidInput(
                f"{where}: {model} has no commit {self.hub.revision}; copy the 40 digits from its history"
            ) from error
        except RepositoryNotFoundError as error:
            raise InvalidInput(
                f"{where}: there is no model {model}, or it is not public: check the name, or {self._advice}"
            ) from error
        except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, HTTPError) as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            if status in (401, 403):
                raise InvalidInput(f"{where}: {model} may not be read ({status}): {self._advice}") from error
            raise Failed(f"{where}: does not answer: {_first_line(error)}; run again when it does") from error

    @property
    def _advice(self) -> str:
        if self._token:
            return f"give base.hub.token one that may read it ({self.hub.token} may not)"
        return "name a token in base.hub.token (secret://NAME)"


def token_of(hub: Hub) -> str:
    """The token that the settings name; empty where they name none. Raises InvalidInput when it is not there."""
    if hub.token is None:
        return ""
    if hub.token.startswith(SCHEME):
        return resolve_secret(hub.token)
    value = os.environ.get(hub.token, "")
    if not value:
        raise InvalidInput(f"base.hub.token: the variable {hub.token} is not set; set it, or name another")
    return value


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
