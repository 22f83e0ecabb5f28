"""A bundle is all that a third party needs, and nothing that they have to believe."""

from __future__ import annotations

import io
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from components.core.canonical import sha256
from components.core.errors import ExitCode, InvalidInput, Refused
from pipelines.proof import bundle
from pipelines.proof.tree import broken
from pipelines.runs import Runs
from tests.pipelines.proof.chain import ENDPOINT, Chain

Members = dict[str, bytes]


def written(chain: Chain, name: str = ENDPOINT, *, data: bool = False, file: str = "proof.tar") -> Path:
    path = chain.folder / file
    bundle.write(name, chain.scene(), Runs(chain.folder / "runs"), path, data=data)
    return path


def own(chain: Chain) -> str:
    """The verifier's own copy of the trust roots."""
    return chain.trust


def away(chain: Chain) -> None:
    """Takes store, endpoint states and sources away: a third party has none of them."""
    for name in ("store", "endpoints.db", "tickets.jsonl"):
        (chain.folder / name).rename(chain.folder / f"{name}.away")


@pytest.mark.parametrize("data", [False, True])
def test_a_bundle_is_verified_with_nothing_else_but_trust_roots(chain: Chain, data: bool) -> None:
    path, trust = written(chain, data=data), own(chain)
    away(chain)
    found = bundle.verify(path, trust)
    said = "\n".join(found.lines())
    assert found.exit_code is ExitCode.DONE, said
    assert "gate, worked out again  the same, to the last digit" in said
    assert ("bytes not in the bundle, named by digest" in said) is not data
    for line in said.splitlines():
        assert "not in the bundle" not in line or line.lstrip().startswith("·")


def test_a_bundle_without_data_holds_no_byte_of_models_and_texts(chain: Chain) -> None:
    path = written(chain)
    with tarfile.open(path) as tar:
        names = tar.getnames()
    kept = {f"store/{shard.uri}" for shard in (*chain.second.shards, *chain.documents.shards, *chain.tokens.shards)}
    assert kept & set(names) == set()
    assert f"store/{chain.second.key}" in names
    with tarfile.open(written(chain, data=True, file="whole.tar")) as tar:
        assert kept <= set(tar.getnames())


def test_trust_roots_of_the_bundle_itself_are_told_to_be_so(chain: Chain) -> None:
    found = bundle.verify(written(chain))
    assert found.exit_code is ExitCode.DONE
    assert any(line.lstrip().startswith("· trust roots") and "from the bundle itself" in line for line in found.lines())
    assert "from the bundle itself" not in "\n".join(bundle.verify(written(chain), own(chain)).lines())


def test_own_trust_roots_count_more_than_the_bundles(chain: Chain) -> None:
    path = written(chain)
    trust = chain.folder / "mine.json"
    trust.write_bytes(chain.keys.change(chain.release, revoked="2026-12-02T00:00:00+00:00", why="stolen").to_bytes())
    assert bundle.verify(path, str(trust)).exit_code is ExitCode.REFUSED


def test_equal_content_gives_equal_bytes(chain: Chain) -> None:
    one = written(chain, data=True).read_bytes()
    os.utime(chain.path(chain.first.key), (0, 0))
    chain.path(chain.first.key).chmod(0o600)
    assert written(chain, data=True, file="other.tar").read_bytes() == one


def test_a_model_has_a_bundle_of_its_own(chain: Chain) -> None:
    path, trust = written(chain, chain.first.key), own(chain)
    away(chain)
    found = bundle.verify(path, trust)
    said = "\n".join(found.lines())
    assert found.exit_code is ExitCode.DONE, said
    assert f"decision  release pass  {chain.released[:12]}" in said
    assert "endpoint  helpdesk  3 generations" in said


def test_what_belongs_to_others_is_not_in_it(chain: Chain) -> None:
    chain.store.write("secret/other.json", b"{}")
    chain.model(b"unrelated")
    with tarfile.open(written(chain, data=True)) as tar:
        content = b"".join(tar.extractfile(member).read() for member in tar)
    assert b"unrelated" not in content


def test_a_broken_chain_gives_no_bundle(chain: Chain) -> None:
    chain.flip(f"decisions/{chain.approved}.json")
    with pytest.raises(Refused, match="broken"):
        written(chain)
    assert list(chain.folder.glob("*.tar*")) == []


def test_a_run_gives_no_bundle_and_a_name_must_tell_what_it_is(chain: Chain) -> None:
    with pytest.raises(InvalidInput, match="a bundle's name ends in"):
        written(chain, file="proof.zip")
    with pytest.raises(InvalidInput, match="is no endpoint"):
        written(chain, "nothing")


# foreign and damaged bundles


def unpacked(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def packed(path: Path, members: Members, tweak: Callable[[tarfile.TarInfo], None] = lambda member: None) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tweak(member)
            tar.addfile(member, io.BytesIO(content))
    return path


def said_of(path: Path) -> str:
    found = bundle.verify(path)
    assert found.exit_code is ExitCode.REFUSED, "\n".join(found.lines())
    return "\n".join(said for _, said in broken(found.tree))


def test_a_member_that_was_taken_out_changed_or_added_is_found(chain: Chain) -> None:
    members = unpacked(written(chain))
    path = chain.folder / "forged.tar"
    for name in [*list(members)[:3], *list(members)[3::6]]:
        kept = {key: content for key, content in members.items() if key != name}
        assert said_of(packed(path, kept)), name
        changed = bytes([members[name][0] ^ 1]) + members[name][1:]
        assert said_of(packed(path, {**members, name: changed})), name
    assert "is not listed in bundle.json" in said_of(packed(path, {**members, "store/more.json": b"{}"}))


def test_a_bundle_that_says_it_holds_no_data_is_told_so_and_gives_no_ticks_for_them(chain: Chain) -> None:
    members = unpacked(written(chain, data=True))
    index = bundle.Index.read(members["bundle.json"], "bundle.json")
    shards = {f"store/{shard.uri}" for shard in chain.second.shards}
    kept = {name: content for name, content in members.items() if name not in shards}
    listed = {name: digest for name, digest in index.members.items() if name not in shards}
    kept["bundle.json"] = index.model_copy(update={"members": listed}).to_bytes()
    assert "is gone" in said_of(packed(chain.folder / "forged.tar", kept))
    kept["bundle.json"] = index.model_copy(update={"members": listed, "data": False}).to_bytes()
    found = bundle.verify(packed(chain.folder / "forged.tar", kept), own(chain))
    assert any(line.lstrip().startswith("· model") for line in found.lines())


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "store/../../out", "store//twice", "./here"])
def test_a_member_that_leads_out_of_the_bundle_is_refused(chain: Chain, name: str) -> None:
    members = unpacked(written(chain))
    assert "leads out of the bundle" in said_of(packed(chain.folder / "forged.tar", {**members, name: b"x"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_folders_and_devices_are_refused(chain: Chain, kind: bytes) -> None:
    def tweak(member: tarfile.TarInfo) -> None:
        if member.name == "trust.json":
            member.type, member.linkname, member.size = kind, "/etc/passwd", 0

    assert "is no plain file" in said_of(packed(chain.folder / "f.tar", unpacked(written(chain)), tweak))


def test_a_member_that_stands_there_twice_is_refused(chain: Chain) -> None:
    path = written(chain)
    with tarfile.open(path, "a") as tar:
        tar.addfile(tarfile.TarInfo("trust.json"))
    assert "stands there twice" in said_of(path)


def test_a_member_that_claims_more_bytes_than_there_are_is_refused(chain: Chain) -> None:
    path = chain.folder / "huge.tar"
    member = tarfile.TarInfo("bundle.json")
    member.size = 1 << 50
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + b"{}")
    assert "is not whole" in said_of(path)


@pytest.mark.parametrize("data", [b"", b"no tar", b"\0" * 10240, b"\x1f\x8b" + b"x" * 600])
def test_what_is_no_tar_is_a_break_and_no_traceback(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    assert said_of(path)


def test_a_bundle_that_is_not_there_is_invalid_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no such file"):
        bundle.verify(tmp_path / "x.tar")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"version":1}', b'{"version":9}', b"\xff"])
@pytest.mark.parametrize("name", ["bundle.json", "trust.json", f"endpoints/{ENDPOINT}.json"])
def test_a_damaged_part_is_a_break_and_no_traceback(chain: Chain, name: str, content: bytes) -> None:
    members = unpacked(written(chain))
    assert said_of(packed(chain.folder / "forged.tar", {**members, name: content}))


def test_generations_of_another_endpoint_are_found(chain: Chain) -> None:
    members, name = unpacked(written(chain)), f"endpoints/{ENDPOINT}.json"
    other = bundle.Generations.read(members[name], name).model_copy(update={"endpoint": "elsewhere"})
    index = bundle.Index.read(members["bundle.json"], "bundle.json")
    listed = {**index.members, name: sha256(other.to_bytes())}
    members |= {name: other.to_bytes(), "bundle.json": index.model_copy(update={"members": listed}).to_bytes()}
    assert "holds the generations of another endpoint" in said_of(packed(chain.folder / "forged.tar", members))


def test_a_part_that_is_too_large_to_be_one_is_not_read(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(chain)
    monkeypatch.setattr(bundle, "MOST_DOCUMENT", 10)
    assert "bundle.json is missing or too large" in said_of(path)


def test_a_compressed_bundle_is_to_be_unpacked_first(chain: Chain) -> None:
    path = written(chain)
    assert "the name of a bundle ends in .tar" in said_of(path.rename(chain.folder / "proof.tar.gz"))


def test_an_index_about_nothing_is_refused(chain: Chain) -> None:
    members = unpacked(written(chain))
    index = bundle.Index.read(members["bundle.json"], "bundle.json")
    members["bundle.json"] = index.model_copy(update={"endpoint": ""}).to_bytes()
    assert "names neither" in said_of(packed(chain.folder / "forged.tar", members))


def test_bits_that_flip_on_the_way_are_found_or_touch_nothing(chain: Chain) -> None:
    """A flipped byte in the file is a break, unless it lies in the padding that no member owns."""
    path, trust = written(chain), own(chain)
    whole = path.read_bytes()
    with tarfile.open(path) as tar:
        owned = [(member.offset_data - 512, member.offset_data + member.size) for member in tar]
    draw = random.Random(5)
    for _ in range(60):
        at = draw.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        found = bundle.verify(path, trust)
        data = any(member[0] <= at < member[1] for member in owned)
        assert found.exit_code is ExitCode.REFUSED or not data, at


def test_a_cut_bundle_is_a_break_and_no_traceback(chain: Chain) -> None:
    path = written(chain)
    whole = path.read_bytes()
    for share in (0.01, 0.3, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        assert said_of(path)
