"""Checkpoints in the store: whole folders, each committed by its marker, found again by whoever trains the same.

They lie under ``checkpoints/<key>/<attempt>/step-<n>/``; the key is the digest of all that the result depends on. A
marker is written after all that it names, and removed before it, so what a reader finds is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.core.canonical import canonical_json, sha256
from components.core.contract import Contract
from components.core.errors import InvalidInput
from components.core.manifest import Manifest, Shard
from components.core.store import Store
from components.train.finetune.settings import Finetune

FOLDER = "checkpoints"
MARKER = "checkpoint.json"
KEPT = 2
"""Checkpoints that an attempt keeps: the newest, and one should that be damaged."""

# Resuming reads none of these: a pickle of the settings, a card, and the tokenizer.
_LEFT_OUT = ("training_args.bin", "README.md", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


class Checkpoint(Contract):
    """A checkpoint's files; it is written last."""

    step: int
    files: tuple[Shard, ...]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training, over all attempts at it."""

    store: Store
    key: str

    def save(self, folder: Path, attempt: str, step: int) -> None:
        """Commits the files of a local folder, then removes this attempt's older checkpoints."""
        prefix = f"{FOLDER}/{self.key}/{attempt}/step-{step}"
        files = []
        for path in sorted(folder.iterdir()):
            if path.name not in _LEFT_OUT:
                key = f"{prefix}/{path.name}"
                files.append(Shard(uri=key, sha256=self.store.upload(path, key), rows=0, bytes=path.stat().st_size))
        self.store.write(f"{prefix}/{MARKER}", Checkpoint(step=step, files=tuple(files)).to_bytes())
        for marker in list(self._markers(attempt))[KEPT:]:
            self._remove(marker)

    def load_newest(self, folder: Path) -> int | None:
        """Puts the newest whole checkpoint into ``folder`` and returns its step; None where there is none.

        One that is damaged, or that another attempt removes meanwhile, is passed over for the next.
        """
        for marker in self._markers():
            try:
                checkpoint = Checkpoint.read(self.store.read(marker), marker)
                for file in checkpoint.files:
                    self.store.download(file.uri, folder / Path(file.uri).name, file.sha256)
            except InvalidInput:
                for path in folder.iterdir() if folder.exists() else ():
                    path.unlink()
            else:
                return checkpoint.step
        return None

    def remove_all(self) -> None:
        """Removes every checkpoint, once what they were for is committed."""
        for marker in self._markers():
            self._remove(marker)
        self.store.remove(f"{FOLDER}/{self.key}")

    def _markers(self, attempt: str = "") -> Iterator[str]:
        """The markers, newest step first."""
        below = f"{FOLDER}/{self.key}/{attempt}".rstrip("/")
        markers = [key for key in self.store.list(below) if key.endswith(f"/{MARKER}")]
        return iter(sorted(markers, key=_step_of, reverse=True))

    def _remove(self, marker: str) -> None:
        self.store.remove(marker)
        self.store.remove(marker.removesuffix(f"/{MARKER}"))


def _step_of(marker: str) -> int:
    return int(marker.split("/")[-2].removeprefix("step-"))


def training_key(tokens: Manifest, model: Manifest, settings: Finetune, code: str) -> str:
    """The digest of all that the trained weights depend on."""
    return sha256(canonical_json([tokens.content_digest, model.content_digest, settings.decides(), code]))
