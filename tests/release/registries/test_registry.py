"""What every registry does, whatever it is: MLflow with a file, SQLite or PostgreSQL behind it, and Vertex AI's."""

from __future__ import annotations

import pytest

from components.core.errors import InvalidInput
from components.release.registries.registry import Evaluation, Registry, folder_address, open_registry
from tests.release.registries import by_hand

PLACES = {
    "file": "file_address",
    "server": "server_address",
    "postgres": "postgres_address",
    "vertex": "vertex_address",
}


@pytest.fixture(params=["file", "server", pytest.param("postgres", marks=pytest.mark.long), "vertex"])
def registry(request) -> Registry:
    """All places behind one interface."""
    return open_registry(request.getfixturevalue(PLACES[request.param]))


def test_a_version_carries_the_digests_that_it_was_made_from(registry, endpoint, model, store) -> None:
    given = model("a")
    made = registry.register(endpoint, endpoint, given, folder_address(store, given))
    (read,) = registry.versions(endpoint)
    assert read == made
    assert made.word == f"{endpoint}/1"
    assert (made.digest, made.content_digest, made.key) == (given.digest, given.content_digest, given.key)
    assert (made.base, made.recipe_digest, made.data_digest) == ("scratch", "e" * 64, "d" * 64)
    assert made.source.endswith(given.key.removesuffix("/manifest.json"))
    assert made.aliases == ()


def test_the_same_model_is_the_same_version_however_often_it_is_registered(registry, endpoint, model) -> None:
    first, second = model("a"), model("b")
    words = [registry.register(endpoint, endpoint, each, "gs://b/m").word for each in (first, second, first, second)]
    assert words == [f"{endpoint}/1", f"{endpoint}/2", f"{endpoint}/1", f"{endpoint}/2"]


def test_of_a_model_that_was_registered_twice_at_once_the_first_version_stays(registry, endpoint, model) -> None:
    given = model("a")
    registry.register(endpoint, endpoint, given, "gs://b/m")
    by_hand.register_again(registry, endpoint, given)
    assert [version.version for version in registry.versions(endpoint)] == [1, 2]
    assert registry.register(endpoint, endpoint, given, "gs://b/m").version == 1
    assert [version.version for version in registry.versions(endpoint)] == [1]


def test_an_alias_means_one_version_and_peoples_own_aliases_stay(registry, endpoint, model) -> None:
    for weights in "ab":
        registry.register(endpoint, endpoint, model(weights), "gs://b/m")
    registry.set_alias(endpoint, "champion", 1)
    registry.set_alias(endpoint, "champion", 2)
    registry.set_alias(endpoint, "blessed-by-ann", 1)
    assert [version.aliases for version in registry.versions(endpoint)] == [("blessed-by-ann",), ("champion",)]
    registry.delete_alias(endpoint, "champion")
    registry.delete_alias(endpoint, "champion")
    assert [version.aliases for version in registry.versions(endpoint)] == [("blessed-by-ann",), ()]


def test_a_name_holds_the_models_of_one_endpoint(registry, endpoint, model) -> None:
    registry.register(endpoint, endpoint, model("a"), "gs://b/m")
    with pytest.raises(
        InvalidInput, match=f"{endpoint} holds the models of the endpoint {endpoint}; set register.name"
    ):
        registry.register(endpoint, "another", model("b"), "gs://b/m")
    assert registry.versions("another") == []


def test_a_registered_model_that_somebody_made_by_hand_is_left_alone(registry, endpoint, model) -> None:
    by_hand.make_model(registry, endpoint)
    with pytest.raises(InvalidInput, match=r"was not made by Sluice; .* (tag|label) sluice.endpoint"):
        registry.register(endpoint, endpoint, model("a"), "gs://b/m")
    assert by_hand.digests(registry, endpoint) == []


def test_aliases_of_a_version_that_is_not_there_are_no_error_to_remove(registry, endpoint) -> None:
    registry.delete_alias(endpoint, "champion")
    assert registry.versions(endpoint) == []


def test_versions_of_all_endpoints_are_listed_by_name_the_oldest_first(registry, endpoint, model) -> None:
    for name in (f"{endpoint}-b", f"{endpoint}-a"):
        for weights in "ab":
            registry.register(name, endpoint, model(weights), "gs://b/m")
    words = [f"{endpoint}-a/1", f"{endpoint}-a/2", f"{endpoint}-b/1", f"{endpoint}-b/2"]
    assert [version.word for version in registry.versions(endpoint)] == words
    assert [version.word for version in registry.versions() if version.name.startswith(endpoint)] == words


def test_what_a_gate_found_stands_beside_its_version_once(registry, endpoint, model) -> None:
    registry.register(endpoint, endpoint, model("a"), "gs://b/m")
    found = Evaluation(evidence="e" * 64, policy="f" * 64, figures={"exam.candidate": 0.75, "exam.questions": 40.0})
    for _ in range(2):
        registry.evaluate(endpoint, 1, found)
    assert by_hand.evaluations(registry, endpoint, 1) == [found]
