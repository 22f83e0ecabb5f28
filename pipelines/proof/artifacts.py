"""The part of the tree below an artifact: its manifest, bytes and report, and what it was made from, to the sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from components.core.canonical import sha256
from components.core.manifest import MANIFEST, Kind, Manifest, Parent, Reference, Source
from components.core.report import Report
from components.core.sources import digest_of
from pipelines.proof.content import OPEN_KINDS, check_answers, check_bytes, check_report, check_suites, heads_of
from pipelines.proof.ledger import DAMAGE, Ledger
from pipelines.proof.tree import MOST_DEPTH, Broken, Mark, Node, see_above, sentence, short

Parents = dict[str, Manifest]
"""Manifests of what an artifact was made from, by role."""


@dataclass
class Artifacts:
    """Walks artifacts; one that several others were made from is walked once."""

    ledger: Ledger
    data: bool = True
    """Whether the bytes of models and data are there to be hashed; a bundle may hold their manifests alone."""
    sources: bool = True
    """Whether files that were read may be looked at; never those that a foreign bundle names."""
    walked: dict[str, Node] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    _keys: dict[str, str] | None = None

    def node(self, role: str, named: Reference | Parent) -> Node:
        """The tree of the artifact that is named, its parents first; no recursion, for chains grow."""
        top, manifest = self._begun(role, named, 0)
        path = [(top, manifest, iter(manifest.parents))] if manifest else []
        while path:
            node, manifest, parents = path[-1]
            parent = next(parents, None)
            if parent is not None:
                child, its = self._begun(parent.role, parent, len(path))
                node.children.append(child)
                if its:
                    path.append((child, its, iter(its.parents)))
                continue
            self._check(node, manifest)
            node.children += self._origins(manifest)
            node.settle()
            path.pop()
        return top

    def _begun(self, role: str, named: Reference | Parent, depth: int) -> tuple[Node, Manifest | None]:
        """The node of an artifact without what is below it, and its manifest where that is to be walked."""
        before = self.walked.get(named.digest)
        if before is not None:
            return see_above(before), None
        node = self.walked[named.digest] = Node(role)
        try:
            if depth > MOST_DEPTH:
                raise Broken(
                    f"lies more than {MOST_DEPTH:,} artifacts deep, as no chain of retrainings does; nothing below was"
                    " looked at: see who wrote this store"
                )
            manifest = self.read(named)
        except DAMAGE as error:
            node.mark, node.said = Mark.BROKEN, sentence(error)
            return node, None
        node.title = f"{role}  {_place(manifest)}  {short(named.digest)}"
        return node, manifest

    def read(self, named: Reference | Parent) -> Manifest:
        """The manifest that is named, its bytes checked. Raises Broken."""
        if named.digest in self.manifests:
            return self.manifests[named.digest]
        key = named.key or self._key_of(named.digest)
        manifest = Manifest.read(self.ledger.document(key, named.digest), key)
        if manifest.key != key:
            raise Broken(f"{key} says that it lies at {manifest.key}; it was put in the place of another")
        if named.content_digest and manifest.content_digest != named.content_digest:
            raise Broken(f"{key} has another content digest than the one that it is named with")
        self.manifests[named.digest] = manifest
        return manifest

    def _check(self, node: Node, manifest: Manifest) -> None:
        """This artifact's own checks; the first that fails is what the node says."""
        try:
            there = self.data or manifest.kind in OPEN_KINDS
            said = [check_bytes(manifest, self.ledger)] if there else ["bytes not in the bundle, named by digest"]
            self._report(manifest, there)
            said += self._content(manifest)
            self._lineage(manifest)
        except DAMAGE as error:
            node.mark, node.said = Mark.BROKEN, sentence(error)
        else:
            node.mark, node.said = Mark.HOLDS if there else Mark.NOTE, "; ".join(said)

    def _report(self, manifest: Manifest, there: bool) -> None:
        key = "/".join([*manifest.key.split("/")[:2], "report.json"])
        report = Report.read(self.ledger.named_by_itself(key), key)
        check_report(manifest, report)
        for shard in report.rejects if there and self.data else ():
            self.ledger.file(shard)

    def _content(self, manifest: Manifest) -> list[str]:
        if manifest.kind is Kind.SUITES:
            return [check_suites(manifest, self.ledger)]
        parents = self._parents(manifest)
        if manifest.kind is Kind.ANSWERS and {"model", "suites"} <= parents.keys():
            return [check_answers(manifest, parents["suites"], self.ledger)]
        return []

    def _lineage(self, manifest: Manifest) -> None:
        """What a manifest claims about its origin must follow from what it was made from."""
        parents = self._parents(manifest)
        exams = [parent for parent in parents.values() if parent.kind is Kind.SUITES]
        against = {head.content_digest for exam in exams for head in heads_of(exam, self.ledger).values()}
        against |= {digest for parent in parents.values() for digest in parent.suites}
        unfounded = sorted(set(manifest.suites) - against)
        if unfounded:
            raise Broken(
                f"says that it was decontaminated against {short(unfounded[0])}; nothing that it was made from was"
            )
        facts, tokens = manifest.model, parents.get("tokens")
        if facts and tokens and manifest.kind is Kind.MODEL and facts.data_digest != tokens.content_digest:
            raise Broken(f"says that it was trained on {short(facts.data_digest)}, and was made from other tokens")
        models = [parent for parent in parents.values() if parent.kind is Kind.MODEL]
        bases = {parent.content_digest for parent in models} | {p.model.base_digest for p in models if p.model}
        if facts and facts.base_digest and models and facts.base_digest not in bases:
            raise Broken(f"says that its base is {short(facts.base_digest)}, and was made from another model")

    def _parents(self, manifest: Manifest) -> Parents:
        """Those parents that could be read; the others are breaks of their own."""
        found = ((parent.role, self.manifests.get(parent.digest)) for parent in manifest.parents)
        return {role: parent for role, parent in found if parent is not None}

    def _origins(self, manifest: Manifest) -> Iterator[Node]:
        """The sources that no parent read before."""
        inherited = {source for parent in self._parents(manifest).values() for source in parent.sources}
        for source in manifest.sources:
            if source not in inherited:
                yield self._source(source)

    def _source(self, source: Source) -> Node:
        title = f"source  {source.uri}  {short(source.sha256)}"
        path = Path(source.uri)
        if not self.sources or "://" in source.uri or not path.is_absolute():
            return Node(title, "not looked at, named by digest", Mark.NOTE)
        try:
            if not path.is_file():
                return Node(title, "is not there any more; what was read is named by digest", Mark.NOTE)
            length, digest = digest_of(source.uri)
        except DAMAGE as error:
            return Node(title, f"cannot be read now: {sentence(error)}", Mark.NOTE)
        if digest != source.sha256:
            return Node(title, f"has changed since it was read: it is {short(digest)} now", Mark.NOTE)
        self.ledger.count(source.uri, length)
        return Node(title, "the file is as it was read")

    def _key_of(self, digest: str) -> str:
        """Where a manifest lies that an older Sluice named by digest alone."""
        if self._keys is None:
            self._keys = dict(self.index())
        if digest not in self._keys:
            raise Broken(f"no manifest with the digest {short(digest)} is in the store; bring it back from a copy")
        return self._keys[digest]

    def index(self) -> Iterator[tuple[str, str]]:
        """Digest and key of every manifest in the store."""
        store = self.ledger.store
        for key in store.list(""):
            if key.endswith(f"/{MANIFEST}"):
                yield sha256(store.read(key)), key


def _place(manifest: Manifest) -> str:
    """Step, attempt and role of an artifact, as its key has them."""
    parts = manifest.key.split("/")
    return "/".join([parts[0], parts[1][:8], *parts[2:-1]]) if len(parts) > 3 else manifest.key
