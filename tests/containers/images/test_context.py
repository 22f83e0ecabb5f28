"""What a build is given."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from components.core.errors import InvalidInput
from pipelines.images.context import context_digest, revision, write_context
from pipelines.images.spec import IMAGES


def git(root: Path, *arguments: str) -> None:
    subprocess.run(
        ("git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments), check=True
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with what two images are made of."""
    root = tmp_path / "checkout"
    files = {
        "containers/install.sh": "#!/bin/sh\n",
        "containers/unneeded.txt": "",
        "containers/bases.json": '{"python": {"reference": "python:3", "digest": null}}',
        "locks/main.txt": "urllib3==2 \\\n    --hash=a\nuv==1 \\\n    --hash=b \\\n    --hash=c\nx==1\n",
        "locks/torch-cpu.txt": "torch==2\n",
        "components/__init__.py": "",
        "components/core/one.py": "one = 1\n",
        "components/data/two.py": "two = 2\n",
        "components/data/page.html": "<p>\n",
        "components/train/three.py": "three = 3\n",
        "components/data/README.md": "generated\n",
    }
    for name in ("data", "train"):
        files |= {f"containers/{name}/Dockerfile": "FROM x\n", f"containers/{name}/requirements.txt": "y==1\n"}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root.parent, "init", "-q", str(root))
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    return root


def context(image: str, root: Path, wheels: Path | None = None) -> dict[str, bytes]:
    """The archive's files."""
    with tarfile.open(fileobj=io.BytesIO(raw(image, root, wheels))) as archive:
        return {one.name: file.read() for one in archive if (file := archive.extractfile(one))}


def raw(image: str, root: Path, wheels: Path | None = None) -> bytes:
    """The archive."""
    out = io.BytesIO()
    write_context(IMAGES[image], out, wheels=wheels, root=root)
    return out.getvalue()


def test_it_holds_the_stage_and_core_and_nothing_of_other_stages(checkout: Path) -> None:
    found = context("data", checkout)
    assert {name for name in found if name.startswith("components")} == {
        "components/__init__.py",
        "components/core/one.py",
        "components/data/two.py",
        "components/data/page.html",
    }
    assert found["uv.txt"] == b"uv==1 \\\n    --hash=b \\\n    --hash=c\n"
    assert not any("torch" in name for name in found)


def test_the_same_content_gives_the_same_bytes_whenever_it_was_written(checkout: Path) -> None:
    before = raw("data", checkout)
    path = checkout / "components/core/one.py"
    path.unlink()
    path.write_text("one = 1\n")
    assert raw("data", checkout) == before


def test_code_that_git_does_not_know_is_no_part_of_an_image(checkout: Path) -> None:
    (checkout / "components/core/new.py").write_text("")
    with pytest.raises(InvalidInput, match=r"components/core/new\.py: not in git.*`git add` or remove it"):
        raw("data", checkout)


def test_code_that_git_is_told_to_ignore_is_none_either(checkout: Path) -> None:
    (checkout / ".git/info/exclude").write_text("new.py\n")
    (checkout / "components/core/new.py").write_text("")
    with pytest.raises(InvalidInput, match=r"components/core/new\.py: not in git"):
        raw("data", checkout)


def test_what_a_link_leads_to_gets_into_no_image(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    (checkout / "components/core/notes.txt").symlink_to(tmp_path / "secret")
    subprocess.run(("git", "-C", str(checkout), "add", "components/core/notes.txt"), check=True)
    with pytest.raises(InvalidInput, match=r"components/core/notes\.txt: is behind a link"):
        raw("data", checkout)


def test_nor_what_a_folder_that_is_a_link_leads_to(checkout: Path, tmp_path: Path) -> None:
    (checkout / "components/data").rename(tmp_path / "elsewhere")
    (checkout / "components/data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match=r"components/data/page\.html: is behind a link"):
        raw("data", checkout)


@pytest.mark.parametrize(
    "changed",
    [
        "components/core/one.py",
        "components/data/page.html",
        "containers/data/Dockerfile",
        "containers/data/requirements.txt",
        "containers/install.sh",
        "containers/unneeded.txt",
    ],
)
def test_all_that_decides_what_is_in_an_image_is_in_its_digest(checkout: Path, changed: str) -> None:
    data, train = (context_digest(IMAGES[name], checkout) for name in ("data", "train"))
    with (checkout / changed).open("a") as file:
        file.write("\n")
    assert context_digest(IMAGES["data"], checkout) != data
    assert (context_digest(IMAGES["train"], checkout) != train) is not ("data" in changed)


def test_the_base_and_uv_are_in_the_digest_and_what_explains_code_and_wheels_are_not(
    checkout: Path, tmp_path: Path
) -> None:
    before = context_digest(IMAGES["train"], checkout)
    (checkout / "components/core/README.md").write_text("new\n")
    git(checkout, "add", ".")
    (tmp_path / "torch-2-cp311.whl").write_text("torch")
    assert write_context(IMAGES["train"], io.BytesIO(), wheels=tmp_path, root=checkout) == before
    for path, old, new in (("containers/bases.json", "null", '"sha256:1"'), ("locks/main.txt", "uv==1", "uv==2")):
        text = (checkout / path).read_text()
        (checkout / path).write_text(text.replace(old, new))
        assert context_digest(IMAGES["train"], checkout) != before
        (checkout / path).write_text(text)
    assert context_digest(IMAGES["train"], checkout) == before


def test_only_torch_is_taken_from_a_folder_of_wheels_and_only_where_it_is_wanted(
    checkout: Path, tmp_path: Path
) -> None:
    for name in ("torch-2-cp311.whl", "other-1.whl"):
        (tmp_path / name).write_text(name)
    assert {name for name in context("train", checkout, tmp_path) if name.startswith("wheels/")} == {
        "wheels/torch-2-cp311.whl"
    }
    assert not any(name.startswith("wheels/") for name in context("data", checkout, tmp_path))


def test_a_missing_file_is_named(checkout: Path) -> None:
    (checkout / "containers/data/requirements.txt").unlink()
    with pytest.raises(InvalidInput, match=r"requirements\.txt: is missing"):
        raw("data", checkout)


def test_a_folder_without_git_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="images are built from a git checkout"):
        revision(IMAGES["data"], tmp_path)


def test_the_revision_is_that_of_what_is_in_the_image(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    data, train = revision(IMAGES["data"], checkout), revision(IMAGES["train"], checkout)
    (checkout / "components/train/three.py").write_text("three = 4\n")
    assert revision(IMAGES["train"], checkout).commit == f"{train.commit}-dirty"
    git(checkout, "commit", "-qam", "more")
    assert revision(IMAGES["train"], checkout).commit not in (train.commit, f"{train.commit}-dirty")
    assert revision(IMAGES["data"], checkout) == data
