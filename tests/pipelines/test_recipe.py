"""Everything that can be wrong with a recipe gets a line with its place, and all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.errors import InvalidInput
from pipelines.recipe import as_document, load_recipe, recipe_from, shipped

SMALLEST = "version: 1\nname: small\nresolve: {root: data, sources: [{path: a.jsonl}]}\nformat: {column: answer}\n"


@pytest.fixture
def recipe_file(tmp_path: Path):
    """Writes recipe files; returns the path of the last."""

    def write(text: str, name: str = "recipe.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def complaints(path: Path, *assignments: str) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        load_recipe(path, assignments)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(f"{path.parent}/", "").split("\n")


def test_the_smallest_recipe_gets_every_default(recipe_file) -> None:
    recipe = load_recipe(recipe_file(SMALLEST))
    assert recipe.settings("curate").min_words == 3
    assert recipe.resources("curate").retries == 0


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_a_shipped_recipe_loads_and_survives_the_run_folder(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe_from(as_document(recipe)).digest == recipe.digest
    assert recipe.description
    assert path.read_text().startswith("# ")


def test_an_unknown_key_names_the_nearest(recipe_file) -> None:
    path = recipe_file(SMALLEST + "train:\n  - finetune:\n      learning_rat: 0.1\n")
    assert complaints(path) == [
        "recipe.yaml:7: train.0.finetune.learning_rat: unknown key; did you mean learning_rate?"
    ]


CLAIM = "gate.claims.0"


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("{suite: exam, flor: 0.9}", f"{CLAIM}.flor: unknown key; did you mean floor?"),
        ("{suite: exam, floor: 0.9, x: 1}",
         f"{CLAIM}.x: unknown key; known: any_of, floor, gain, margin, see, slice, suite"),
        ("{any_off: [{floor: 0.5}, {gain: 0.1}]}", f"{CLAIM}.any_off: unknown key; did you mean any_of?"),
        ("{any_of: [{gian: 0.1}, {floor: 0.5}]}", f"{CLAIM}.any_of.0.gian: unknown key; did you mean gain?"),
        ("{any_of: [{gain: 0.1}, {floor: 0.5}], see: 0.1}", f"{CLAIM}.see: unknown key; known: any_of"),
        ("{any_of: [{gain: 0.1}]}", f"{CLAIM}.any_of: at least two claims are alternatives; it has 1"),
        ("{suite: exam}", f"{CLAIM}: a claim is exactly one of floor, margin and gain; it has none"),
        ("{floor: 2}", f"{CLAIM}.floor: 2: input should be less than or equal to 1; change it to fit (docs/reference"
                        " lists type, unit and range)"),
    ],
)  # fmt: skip
def test_one_mistake_in_a_claim_of_the_policy_is_one_line(recipe_file, claim: str, said: str) -> None:
    path = recipe_file(SMALLEST + f"gate:\n  claims:\n    - {claim}\n")
    assert complaints(path) == [f"recipe.yaml:7: {said}"]


def test_all_errors_come_at_once_each_with_its_line(recipe_file) -> None:
    path = recipe_file(
        SMALLEST
        + "curate:\n  min_words: three\n  max_symbol_ratio: -1\n  resources: {memory: 4Q, timeout: soon}\nsplitt: {}\n"
    )
    found = complaints(path)
    assert [line.split(": ")[0] for line in found] == [f"recipe.yaml:{n}" for n in (6, 7, 8, 8, 9)]
    assert "curate.min_words: 'three': input should be a valid integer" in found[0]
    assert "curate.max_symbol_ratio: -1: input should be greater than or equal to 0" in found[1]
    assert "'4Q' is no amount of memory; write it as 512Mi or 4Gi" in found[2]
    assert "'soon' is no duration" in found[3]
    assert found[4].endswith("splitt: unknown key; did you mean split?")
    assert all("; " in line for line in found)


def test_what_is_missing_is_named(recipe_file) -> None:
    found = complaints(recipe_file("version: 1\nname: x\nresolve: {sources: [{path: a}]}\nformat: {column: a}\n"))
    assert found == ["recipe.yaml:3: resolve.root: missing; add it"]


def test_a_recipe_extends_another_and_says_whose_line_is_wrong(recipe_file) -> None:
    recipe_file(SMALLEST + "curate:\n  min_words: 5\n  max_words: 900\n", "base.yaml")
    path = recipe_file("extends: base.yaml\nname: other\ncurate: {min_words: 7}\n")
    recipe = load_recipe(path)
    assert (recipe.name, recipe.settings("curate").min_words, recipe.settings("curate").max_words) == ("other", 7, 900)
    recipe_file(SMALLEST + "curate:\n  min_wrds: 5\n", "base.yaml")
    assert complaints(path) == ["base.yaml:6: curate.min_wrds: unknown key; did you mean min_words?"]


def test_extends_in_a_circle_is_refused(recipe_file) -> None:
    recipe_file("extends: recipe.yaml\n", "base.yaml")
    found = complaints(recipe_file("extends: base.yaml\n"))
    assert found == [
        "base.yaml:1: extends: goes in a circle (recipe.yaml → base.yaml → recipe.yaml); remove one of them"
    ]


def test_only_one_recipe_is_extended(recipe_file) -> None:
    assert "one path, no list" in complaints(recipe_file("extends: [a.yaml, b.yaml]\n"))[0]


def test_set_overrides_the_file_and_says_so_when_it_is_wrong(recipe_file) -> None:
    path = recipe_file(SMALLEST + "train:\n  - finetune: {learning_rate: 0.1}\n")
    recipe = load_recipe(path, ("train.0.finetune.learning_rate=3e-4", "curate.min_words=9"))
    assert recipe.settings("finetune").learning_rate == 3e-4
    assert recipe.settings("curate").min_words == 9
    assert "--set curate.min_wordz: curate.min_wordz: unknown key; did you mean min_words?" in complaints(
        path, "curate.min_wordz=1"
    )
    assert "a list of 1 has no 3" in complaints(path, "train.3.finetune.epochs=1")[0]
    assert "not an assignment" in complaints(path, "curate.min_words")[0]


def test_two_stages_of_one_name_are_refused(recipe_file) -> None:
    path = recipe_file(SMALLEST + "train:\n  - finetune: {}\n  - finetune: {}\n")
    assert "two stages are named finetune; give one of them another `name`" in complaints(path)[0]
    named = recipe_file(SMALLEST + "train:\n  - finetune: {}\n  - {name: again, finetune: {seed: 5}}\n")
    assert load_recipe(named).settings("again").seed == 5


def test_a_stage_names_exactly_one_trainer(recipe_file) -> None:
    assert "it has 0" in complaints(recipe_file(SMALLEST + "train:\n  - {name: x}\n"))[0]
    assert "did you mean finetune?" in complaints(recipe_file(SMALLEST + "train:\n  - finetun: {}\n"))[0]


@pytest.mark.parametrize(
    "line",
    [
        "description: hf_abcdefghijklmnopqrstuvwx",
        "base: {hub: {token: swordfish}}",
        "description: 'http://me:pw@host/'",
    ],
)
def test_a_secret_in_clear_is_refused_and_not_repeated(recipe_file, line: str) -> None:
    found = complaints(recipe_file(SMALLEST + line + "\n"))
    assert found[0].startswith("recipe.yaml:5: ")
    assert "looks like a secret in clear" in found[0]
    assert "swordfish" not in found[0]
    assert "hf_" not in found[0]


@pytest.mark.parametrize(
    "line",
    [
        "description: 2024-13-45",
        "curate: {min_words: !!int abc}",
        f"curate: {{min_words: {'9' * 5000}}}",
        "description: &a [*a]",
        "description: &a {b: *a}",
        f"description: {'[' * 3000}",
        "train: [{3: {}}]",
        "train: [{finetune: {epochs: .inf}}]",
        "train: [{finetune: {seed: 99999999999999999999}}]",
        'extends: "a\\0b"',
        "train: [{name: export, finetune: {}}]",
        "? [1, 2]\n: 3",
    ],
)
def test_nasty_yaml_is_answered_with_a_line_and_no_traceback(recipe_file, line: str) -> None:
    found = complaints(recipe_file(f"{SMALLEST}{line}\n"))
    assert all(": " in text and "; " in text for text in found), found


@pytest.mark.parametrize(
    "assignment",
    [
        "a=[",
        'name="',
        "name=&a [*a]",
        "train.²=1",
        "train.0.finetune.learning_rate=2024-13-01",
        "curate.min_words=.inf",
    ],
)
def test_nasty_assignments_are_answered_with_a_sentence(recipe_file, assignment: str) -> None:
    assert complaints(recipe_file(SMALLEST), assignment)


def test_a_placeholder_may_be_set_without_quotes(recipe_file) -> None:
    assert load_recipe(recipe_file(SMALLEST), ("description={{$.x}}",)).description == "{{$.x}}"


def test_a_trainer_without_settings_has_its_defaults(recipe_file) -> None:
    recipe = load_recipe(recipe_file(SMALLEST + "train:\n  - {name: b, finetune: }\n"))
    assert recipe.settings("b").method == "full"


def test_a_key_that_stands_twice_is_refused(recipe_file) -> None:
    path = recipe_file(SMALLEST + "curate: {min_words: 3}\ncurate: {min_words: 4}\n")
    assert complaints(path) == ["recipe.yaml:6: curate: stands twice; remove one"]


def test_every_faulty_assignment_is_told_with_the_rest(recipe_file) -> None:
    found = complaints(recipe_file(SMALLEST + "splitt: {}\n"), "curate.min_words", "finetune.epochs=3")
    assert any("--set curate.min_words: not an assignment" in line for line in found)
    assert any("--set finetune.epochs: finetune: unknown key; it is a stage of training" in line for line in found)
    assert any("did you mean split?" in line for line in found)


def test_a_recipe_of_a_newer_version_asks_for_a_newer_sluice(recipe_file) -> None:
    found = complaints(recipe_file(SMALLEST.replace("version: 1", "version: 2")))
    assert found == ["recipe.yaml:1: version: version 2 is newer than this Sluice reads (1); upgrade Sluice"]


@pytest.mark.parametrize("text", ["a: [1\n", "- 1\n", "", "\tx: 1\n"])
def test_what_is_no_mapping_is_refused_with_its_line(recipe_file, text: str) -> None:
    assert complaints(recipe_file(text))[0].startswith("recipe.yaml:")


def test_a_missing_recipe_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such file; `sluice init`"):
        load_recipe(tmp_path / "none.yaml")


def test_the_exam_is_formatted_as_the_training_side_unless_it_says_otherwise(recipe_file) -> None:
    recipe = load_recipe(recipe_file(SMALLEST))
    assert recipe.settings("suites").format.column == recipe.settings("format").column == "answer"


def test_resources_are_no_settings_and_change_no_step(recipe_file) -> None:
    path = recipe_file(SMALLEST)
    more = load_recipe(path, ("curate.resources.memory=8Gi",))
    assert more.resources("curate").memory == "8Gi"
    assert more.settings("curate").encode() == load_recipe(path).settings("curate").encode()
