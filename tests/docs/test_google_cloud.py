"""The page for Google Cloud says what Terraform's files say: variables, outputs, names."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from pipelines.recipe import load_recipe
from tests.docs.commands import PAGES, ROOT, Block, blocks, commands, fault

PAGE = ROOT / "docs" / "guides" / "google-cloud.md"
TERRAFORM = ROOT / "infra" / "terraform"
DEV = TERRAFORM / "envs" / "dev"
TEXT = PAGE.read_text()
STARTED = re.compile(r'(\w+) *= \{ command = "(\w+)",(?: recipe = "(\S+)",)? options = (\[[^\]]*\]) \}')


def block_with(words: str) -> Block:
    """The one block of the page that has these words."""
    (found,) = (block for block in blocks(PAGE) if words in block.text)
    return found


def test_what_is_read_of_the_outputs_is_there() -> None:
    outputs = (DEV / "outputs.tf").read_text()
    read = set(re.findall(r"output -json deployment \| jq -r \.(\w+)", TEXT))
    assert read == {"config", "registry"}
    assert all(re.search(rf"^ +{name} += module\.environment\.{name}$", outputs, re.MULTILINE) for name in read)


def test_bootstrap_is_given_all_its_variables_and_its_bucket_is_the_one_that_is_named() -> None:
    declared = re.findall(r'^variable "(\w+)"', (TERRAFORM / "bootstrap" / "variables.tf").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"-var (\w+)=", TEXT)) == sorted(declared)
    assert '"${var.project}-sluice-terraform"' in (TERRAFORM / "bootstrap" / "main.tf").read_text()
    assert "-backend-config=bucket=$project-sluice-terraform" in TEXT


def test_what_is_to_be_edited_is_in_the_file() -> None:
    table = TEXT.partition("| what | is |")[2].partition("\n\n")[0]
    names = re.findall(r"`([a-z_.]+)`", " ".join(row.split("|")[1] for row in table.splitlines() if "|" in row))
    assert len(names) > 8
    main = (DEV / "main.tf").read_text()
    assert [name for name in names if not re.search(rf"^ +{name.removeprefix('local.')} +=", main, re.MULTILINE)] == []


def test_what_people_start_is_a_command_that_there_is() -> None:
    texts = [(DEV / "main.tf").read_text(), *(page.read_text() for page in PAGES)]
    found = [one for text in texts for one in STARTED.findall(text)]
    assert {"helpdesk", "watch", "weekly", "hush"} <= {name for name, *_ in found}
    assert set(re.findall(r"jobs execute sluice-(\w+)", TEXT)) <= {name for name, *_ in found}
    for _, command, recipe, options in found:
        quoted = " ".join(f"'{word}'" for word in json.loads(options))
        block = Block(PAGE, 1, f"sluice {command} {recipe} {quoted} --env environment.yaml", "")
        assert [fault(one) for one in commands(block)] == [""]


def test_the_dispatchers_environment_names_the_lock_where_the_bucket_is_mounted() -> None:
    dispatch = (TERRAFORM / "modules" / "dispatch" / "main.tf").read_text()
    assert 'config  = "/config"' in dispatch
    assert 'folder  = "${local.config}/dispatch"' in dispatch
    assert TEXT.count("--images /config/dispatch/images.lock.json") == 2


def test_the_recipe_that_is_written_out_is_whole_and_starts_from_the_bucket(tmp_path: Path) -> None:
    line = block_with("sed ").text.strip()
    (tmp_path / "recipes").mkdir()
    subprocess.run(["bash", "-ec", f"project=my-sluice-dev dev={tmp_path}\n{line}"], cwd=ROOT, check=True)
    made = tmp_path / "recipes" / "helpdesk.yaml"
    assert "extends" not in made.read_text()
    assert load_recipe(made).resolve.root == "gs://my-sluice-dev-sluice-sources/helpdesk"


def test_terraform_reads_the_file_of_images_by_itself_and_git_does_not() -> None:
    written = re.findall(r"(?:> |--out )\$dev/(images\S+)", TEXT)
    assert len(written) == 3, "none yet, those of the lock, those that run"
    assert set(written) == {"images.auto.tfvars.json"}, "the end of the name is what Terraform goes by"
    ignored = subprocess.run(("git", "check-ignore", "--quiet", DEV / written[0]), cwd=ROOT, check=False)
    assert ignored.returncode == 0
    assert re.search(r"^ +images += module\.environment\.images$", (DEV / "outputs.tf").read_text(), re.MULTILINE)
    assert "-var-file" not in "".join(page.read_text() for page in PAGES)
