"""What is Vertex AI's own about its Model Registry, and each fault of a network and a cloud at each call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from components.core.errors import Conflict, Failed, InvalidInput, Refused, SluiceError, Unreachable
from components.release.registries.registry import Evaluation, folder_address, open_registry
from components.release.registries.vertex_registry import FAKE, LABEL_LENGTH, VertexRegistry
from tests.contract.google.model_registry import ModelRegistry
from tests.contract.google.server import Server
from tests.release.registries import by_hand

IMAGE = f"europe-west4-docker.pkg.dev/p/r/server@sha256:{'a' * 64}"
EVALUATION = Evaluation(evidence="e" * 64, policy="f" * 64, figures={"exam.candidate": 0.75})


@dataclass
class Cloud:
    server: Server
    fake: ModelRegistry
    registry: VertexRegistry
    waited: list[float]


@pytest.fixture
def cloud(vertex, vertex_address) -> Cloud:
    """The registry, which waits in ``waited`` alone, and gives a call half a second."""
    waited = list[float]()
    registry = VertexRegistry(vertex_address)
    registry.caller, registry.seconds = replace(registry.caller, sleep=waited.append), 0.5
    return Cloud(vertex, next(one for _, one in vertex._services), registry, waited)


@pytest.fixture
def busy(cloud, model) -> Cloud:
    """Two versions; the first is champion and has an evaluation."""
    for weights in "ab":
        cloud.registry.register("desk", "desk", model(weights), "gs://b/m")
    cloud.registry.set_alias("desk", "champion", 1)
    cloud.registry.evaluate("desk", 1, EVALUATION.model_copy(update={"evidence": "0" * 64}))
    cloud.waited.clear()
    cloud.server.requests.clear()
    return cloud


def test_labels_say_the_digests_as_far_as_they_go_and_the_description_all_of_them(cloud, model, store) -> None:
    given = model("a")
    cloud.registry.register("desk", "desk", given, folder_address(store, given))
    kept = cloud.fake.models["desk"][1]
    assert kept["labels"] == {
        "sluice-endpoint": "desk",
        "sluice-digest": given.digest[:LABEL_LENGTH],
        "sluice-content-digest": given.content_digest[:LABEL_LENGTH],
        "sluice-recipe-digest": "e" * LABEL_LENGTH,
        "sluice-data-digest": "d" * LABEL_LENGTH,
    }
    assert f"sluice.digest: {given.digest}\n" in kept["versionDescription"]
    assert "artifactUri" not in kept, "Google's client takes no folder without a container"


def test_people_may_write_beside_what_sluice_wrote(cloud, model) -> None:
    made = cloud.registry.register("desk", "desk", model("a"), "/a folder/m")
    kept = cloud.fake.models["desk"][1]
    kept["versionDescription"] = f"The one for May.\n{kept['versionDescription']}\nAsk Ann."
    assert cloud.registry.versions() == [made]
    assert made.source == "/a folder/m"


def test_a_container_that_serves_is_named_with_the_folder_that_it_serves_from(vertex, cloud, model) -> None:
    registry = open_registry(f"{cloud.registry.address}?image={IMAGE}")
    assert registry.register("desk", "desk", model("a"), "gs://b/m").source == "gs://b/m"
    kept = cloud.fake.models["desk"][1]
    assert (kept["artifactUri"], kept["containerSpec"]) == ("gs://b/m", {"imageUri": IMAGE})


def test_a_container_cannot_be_served_from_a_store_that_vertex_does_not_reach(cloud, model) -> None:
    registry = open_registry(f"{cloud.registry.address}?image={IMAGE}")
    with pytest.raises(InvalidInput, match=r"deploys from gs:// alone, and the model lies at s3://b/m; keep the store"):
        registry.register("desk", "desk", model("a"), "s3://b/m")
    assert not cloud.server.requests


@pytest.mark.parametrize(
    "rest",
    ["", "p", "my-project", "my-project/", "my-project/mars", "my-project/europe-west4/x", "My-Project/europe-west4",
     "my-project/europe-west4?image=server:latest", "my-project/europe-west4?key=k"],
)  # fmt: skip
def test_an_address_that_names_no_place_is_refused(rest) -> None:
    with pytest.raises(InvalidInput, match=r"is no place; write vertex://PROJECT/REGION, and \?image=NAME@sha256:"):
        open_registry(f"vertex://{rest}")


def test_a_fake_elsewhere_is_not_asked(monkeypatch) -> None:
    monkeypatch.setenv(FAKE, "http://example.com")
    with pytest.raises(InvalidInput, match=rf"{FAKE}: http://example.com is not on this machine"):
        open_registry("vertex://sluice-example/europe-west4").versions()


def test_the_default_version_is_vertexs_own_and_stays_where_it_is(busy) -> None:
    assert [version.aliases for version in busy.registry.versions()] == [("champion",), ()]
    busy.registry.set_alias("desk", "champion", 2)
    assert busy.fake.models["desk"][1]["versionAliases"] == ["default"]


def test_more_versions_than_a_page_holds_are_all_read(cloud, model, monkeypatch) -> None:
    monkeypatch.setattr("components.release.registries.vertex_registry.PAGE", 2)
    for name in ("one", "two", "three"):
        for weights in "abcde":
            cloud.registry.register(name, name, model(weights), "/m")
    assert len(cloud.registry.versions()) == 15
    assert [version.version for version in cloud.registry.versions("two")] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("known", [False, True], ids=["a new name", "one that is there"])
def test_an_upload_whose_answer_was_lost_and_that_is_not_done_is_waited_for(cloud, model, known) -> None:
    if known:
        cloud.registry.register("desk", "desk", model("z"), "/m")
    cloud.fake.slow = 4
    cloud.server.fail("models.upload", "drop after")
    before = len(cloud.server.asked("models.upload"))
    made = cloud.registry.register("desk", "desk", model("a"), "/m")
    assert made.version == 1 + known
    assert len(cloud.fake.models["desk"]) == 1 + known
    assert len(cloud.server.asked("models.upload")) - before == 1
    assert len(cloud.waited) > 2


def test_an_upload_that_somebody_else_began_at_once_is_not_made_again(cloud, model) -> None:
    cloud.fake.slow = 3
    given, upload = model("a"), cloud.registry._upload

    def late(name: str, wanted: dict[str, Any]) -> None:
        cloud.registry._upload = upload
        made = {"parent": cloud.registry._parent, "model": wanted, "model_id": name}
        cloud.registry._client.upload_model(made)
        upload(name, wanted)

    cloud.registry._upload = late
    assert cloud.registry.register("desk", "desk", given, "/m").version == 1
    assert len(cloud.fake.models["desk"]) == 1


def test_an_upload_that_failed_is_told_in_its_own_words(cloud, model) -> None:
    cloud.fake.broken = {"code": 3, "message": "The image cannot be pulled."}
    with pytest.raises(InvalidInput, match=r"upload a version of desk: not accepted: The image cannot be pulled; mend"):
        cloud.registry.register("desk", "desk", model("a"), "/m")
    assert cloud.registry.versions() == []


def test_an_upload_without_end_is_told(cloud, model) -> None:
    cloud.fake.slow = 10_000
    with pytest.raises(Failed, match="an upload does not end; look at it in the console"):
        cloud.registry.register("desk", "desk", model("a"), "/m")
    assert cloud.fake.models == {}


Work = Callable[[VertexRegistry, Callable[[str], Any]], Any]


def _register(registry: VertexRegistry, model: Callable[[str], Any]) -> Any:
    return registry.register("desk", "desk", model("c"), "gs://b/m")


def _take_away(registry: VertexRegistry, model: Callable[[str], Any]) -> Any:
    return registry.delete_alias("desk", "champion")


CALLS: dict[str, tuple[str, str, Work]] = {
    "upload": ("models.upload", "register desk|upload a version of desk", _register),
    "look at the name": ("models.get", "read desk", _register),
    "look at the versions": ("models.listVersions", "register desk", _register),
    "look at uploads": ("models.operations.list", "list the uploads of desk", _register),
    "follow": ("models.operations.get", "upload a version of desk", _register),
    "list": ("models.list", "list the versions", lambda registry, _: registry.versions()),
    "set": ("mergeVersionAliases", "set desk@champion", lambda registry, _: registry.set_alias("desk", "champion", 2)),
    "find": ("models.get", "read desk@champion", _take_away),
    "remove": ("mergeVersionAliases", "remove desk@champion", _take_away),
    "evaluations": (
        "evaluations.list", "import the evaluation of desk/1",
        lambda registry, _: registry.evaluate("desk", 1, EVALUATION),
    ),
    "import": (
        "evaluations.import", "import the evaluation of desk/1",
        lambda registry, _: registry.evaluate("desk", 1, EVALUATION),
    ),
}  # fmt: skip
LASTING: dict[int | str, tuple[type[SluiceError], str]] = {
    401: (Refused, "gcloud auth application-default login"),
    403: (Refused, "have the role granted"),
    404: (InvalidInput, "check project and region"),
    409: (Conflict, "somebody else made or changed it"),
    429: (Unreachable, "ask again in 7 s"),
    500: (Unreachable, "fault of its own (500)"),
    503: (Unreachable, "fault of its own (503)"),
    "drop before": (Unreachable, "the connection broke"),
}
SILENT = {("look at the name", 404), ("look at uploads", 404), ("find", 404), ("remove", 404)}
"""Where 404 is an answer: there is none of that name, and nothing is to be done or all of it."""


@pytest.mark.parametrize("how", LASTING)
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_that_lasts_is_one_sentence_and_changes_nothing(busy, model, call, how) -> None:
    (operation, asked, work), (kind, advice) = CALLS[call], LASTING[how]
    if (call, how) in SILENT or (call == "follow" and kind in (Unreachable, Conflict)):
        return  # told by the next tests
    busy.fake.slow = 1
    busy.server.fail(operation, how, times=99, headers={"Retry-After": "7"} if how == 429 else {})
    if (call, how) == ("upload", 409):
        kind = Unreachable  # somebody else is making it, for as long as it is looked at
    with pytest.raises(kind) as caught:
        work(busy.registry, model)
    said = str(caught.value)
    assert said.startswith("Vertex AI Model Registry, project sluice-example, europe-west4: ")
    assert any(f": {one}: " in said for one in asked.split("|"))
    assert advice in said
    assert "\n" not in said
    assert len(busy.fake.models["desk"]) == 2
    assert len(busy.fake.evaluations["desk@1"]) == 1
    assert "champion" in busy.fake.models["desk"][1]["versionAliases"]
    assert (len(busy.waited) > 1) == (kind is Unreachable)


@pytest.mark.parametrize("call", [call for call, _ in sorted(SILENT)])
def test_what_is_not_there_is_an_answer(busy, model, call) -> None:
    operation, _, work = CALLS[call]
    busy.server.fail(operation, 404)
    work(busy.registry, model)
    assert [version.version for version in busy.registry.versions()] == ([1, 2, 3] if "look" in call else [1, 2])


@pytest.mark.parametrize("how", [409, 429, 500, 503, "drop before"])
def test_an_upload_that_cannot_be_followed_is_seen_where_uploads_are_listed(busy, model, how) -> None:
    busy.fake.slow = 2
    busy.server.fail("models.operations.get", how, times=99)
    assert busy.registry.register("desk", "desk", model("c"), "gs://b/m").version == 3
    assert len(busy.fake.models["desk"]) == 3


@pytest.mark.parametrize("how", [429, 500, 503, "drop before", "drop after", "slow"])
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_that_passes_leaves_exactly_one(busy, model, call, how) -> None:
    operation, _, work = CALLS[call]
    busy.fake.slow = 1
    busy.server.fail(operation, how, seconds=1.5, headers={"Retry-After": "7"} if how == 429 else {})
    work(busy.registry, model)
    assert busy.waited
    assert how != 429 or 7 in busy.waited
    assert [version.version for version in busy.registry.versions()] == ([1, 2, 3] if work is _register else [1, 2])
    champions = [version.version for version in busy.registry.versions() if "champion" in version.aliases]
    assert champions == ([2] if call == "set" else [] if work is _take_away else [1])
    given = {one.evidence for one in by_hand.evaluations(busy.registry, "desk", 1)}
    assert given == {"0" * 64, "e" * 64} if "desk/1" in CALLS[call][1] else given == {"0" * 64}
    assert len(busy.fake.evaluations["desk@1"]) == len(given)


def test_a_registry_that_keeps_failing_is_asked_a_few_times_only(busy) -> None:
    busy.server.fail("models.list", 503, times=99)
    with pytest.raises(Failed, match="503"):
        busy.registry.versions()
    assert len(busy.server.asked("models.list")) == 3
    assert busy.waited == [1.0, 2.0]
