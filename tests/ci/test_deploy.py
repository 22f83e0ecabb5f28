"""What `make ci-deploy` does of a build, of a plan that is refused, and of a deployment that was there before."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from components.core.canonical import sha256
from components.core.store import Store
from pipelines.images.lock import ImagesLock
from pipelines.images.spec import IMAGES
from tests.ci.conftest import BUILT, RECORDS, REGISTRY, Checkout

REPOSITORY = "Example/Sluice"


def deploy(checkout: Checkout, **more: str) -> Any:
    asked = {"ENV": "dev", "STATE": "a-state", "COMMIT": checkout.commit, "REPOSITORY": REPOSITORY, **more}
    return checkout.make("ci-deploy", **asked)


def record(checkout: Checkout) -> str:
    return f"deployments/{checkout.commit}.json"


def steps(checkout: Checkout) -> list[str]:
    """Terraform's commands, and what else changes something."""
    words = [next(word for word in call[1:] if not word.startswith("-")) for call in checkout.asked("terraform")]
    return words + [call[0] for call in checkout.asked("gcloud")]


def test_a_build_is_looked_at_planned_applied_kept_by_digest_and_told_to_the_dispatcher(
    checkout: Checkout, store: Store
) -> None:
    checkout.lock(REGISTRY)
    done = deploy(checkout)
    assert done.returncode == 0, done.stderr + done.stdout
    images = len(IMAGES)
    assert len(checkout.asked("cosign")) == images
    for call in checkout.asked("cosign"):
        assert call[1] == "verify"
        assert call[call.index("--certificate-github-workflow-sha") + 1] == checkout.commit
        identity = call[call.index("--certificate-identity") + 1]
        assert identity == f"https://github.com/{REPOSITORY}/.github/workflows/main.yml@refs/heads/main"
        assert call[-1].startswith(f"{BUILT}/sluice/"), "the signature lies where the image was built"
    assert steps(checkout) == ["init", "output", "plan", "show", "show", "apply", "output", "gcloud", "gcloud"]
    assert "-backend-config=bucket=a-state" in checkout.asked("terraform")[0]
    written = json.loads(Store(RECORDS).read(record(checkout)))
    assert written["commit"] == checkout.commit
    assert len(written["images"]["images"]) == images
    assert set(written["graphs"]) == {f"helpdesk/{name}" for name in ("lifecycle", "release", "monitoring")}
    for digest in written["graphs"].values():
        assert sha256(store.read(f"graphs/{digest}.yaml")) == digest
    copied, restarted = checkout.asked("gcloud")
    assert copied[-1] == "gs://a-trust/dispatch/"
    assert restarted[1:5] == ["run", "services", "update", "sluice-dispatch"]
    told = yaml.safe_load((checkout.folder / "build/ci/dev/dispatch/environment.yaml").read_text())
    assert told["images"]["sluice/data"].startswith(f"{REGISTRY}/sluice/data@sha256:"), "no file that is not there"


def test_a_plan_that_lets_somebody_reach_too_much_is_not_applied(checkout: Checkout, store: Store) -> None:
    checkout.lock(REGISTRY)
    checkout.plays["access"] = 3
    done = deploy(checkout)
    assert "dev: the plan is refused, see Access above; nothing was changed" in done.stderr
    assert done.returncode != 0
    assert steps(checkout) == ["init", "output", "plan", "show", "show"]
    assert store.list("") == []


@pytest.mark.parametrize("program", ["cosign", "apply"])
def test_what_fails_on_the_way_leaves_no_record_and_tells_nobody(
    checkout: Checkout, store: Store, program: str
) -> None:
    checkout.lock(REGISTRY)
    checkout.plays["fails"] = [program]
    done = deploy(checkout)
    assert done.returncode != 0
    assert "ended with 1" in done.stderr
    assert not Store(RECORDS).exists(record(checkout))
    assert checkout.asked("gcloud") == []
    if program == "cosign":
        assert "plan" not in steps(checkout), "an image that nobody of us built stops it first"


def test_an_earlier_deployment_is_had_again_without_its_build(checkout: Checkout, store: Store) -> None:
    lock = checkout.lock(REGISTRY)
    assert deploy(checkout).returncode == 0
    before, images = Store(RECORDS).read(record(checkout)), lock.read_bytes()
    lock.unlink()
    done = deploy(checkout, AGAIN="1")
    assert done.returncode == 0, done.stderr
    assert Store(RECORDS).read(record(checkout)) == before
    assert lock.read_bytes() == images
    assert steps(checkout)[-2:] == ["gcloud", "gcloud"]


def test_an_earlier_deployment_that_was_none_is_a_sentence(checkout: Checkout, store: Store) -> None:
    store.create(record(checkout), b"{}")  # whatever steps may write there
    done = deploy(checkout, AGAIN="1")
    assert f"error: {checkout.commit} was never deployed to dev; name one of: nothing was yet" in done.stderr
    assert "plan" not in steps(checkout)


def test_a_graph_that_is_gone_is_found_before_anything_is_changed(checkout: Checkout, store: Store) -> None:
    checkout.lock(REGISTRY)
    assert deploy(checkout).returncode == 0
    digest = next(iter(json.loads(Store(RECORDS).read(record(checkout)))["graphs"].values()))
    store.remove(f"graphs/{digest}.yaml")
    planned = steps(checkout).count("plan")
    done = deploy(checkout, AGAIN="1")
    assert digest in done.stderr
    assert steps(checkout).count("plan") == planned


def test_graphs_that_came_out_otherwise_than_then_are_told_to_nobody(checkout: Checkout, store: Store) -> None:
    checkout.lock(REGISTRY)
    assert deploy(checkout).returncode == 0
    checkout.plays["outputs"]["sluice_environment"]["value"]["tracking"] = "https://mlflow.example.com"
    told = len(checkout.asked("gcloud"))
    done = deploy(checkout, AGAIN="1")
    assert "compile to other graphs than were deployed then" in done.stderr
    assert len(checkout.asked("gcloud")) == told


def test_a_commit_that_was_deployed_with_other_images_is_a_conflict(checkout: Checkout, store: Store) -> None:
    checkout.lock(REGISTRY)
    assert deploy(checkout).returncode == 0
    checkout.lock(REGISTRY, envoy=f"{REGISTRY}/sluice/envoy@sha256:{99:064x}")
    done = deploy(checkout)
    assert "this commit was deployed with other images or graphs; run rollback.yml" in done.stderr


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"COMMIT": "main"}, "COMMIT 'main' is not what is checked out"),
        ({"COMMIT": "0" * 40}, "is not what is checked out"),
        ({"ENV": "prods"}, "there is no environment 'prods'; did you mean prod?; there are: dev, prod, staging"),
        ({"STATE": ""}, "dev: STATE names no bucket of Terraform's state"),
    ],
)
def test_what_was_asked_wrongly_is_a_sentence(checkout: Checkout, given: dict[str, str], words: str) -> None:
    done = deploy(checkout, **given)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert checkout.asked("gcloud") == []


def test_a_place_that_nobody_applied_yet_is_a_sentence(checkout: Checkout, store: Store) -> None:
    checkout.lock(REGISTRY)
    checkout.plays["outputs"] = {}
    assert "dev: was never applied; an admin does so once by hand" in deploy(checkout).stderr


def test_services_are_given_their_images_out_of_the_lock_and_the_published_proxy(
    checkout: Checkout, store: Store
) -> None:
    checkout.lock(REGISTRY)
    assert deploy(checkout).returncode == 0
    (plan,) = (call for call in checkout.asked("terraform") if "plan" in call)
    (given,) = (word.removeprefix("-var=images=") for word in plan if word.startswith("-var=images="))
    images = {name: reference.partition("@")[0] for name, reference in json.loads(given).items()}
    assert images == {
        "mlflow": f"{REGISTRY}/sluice/release",
        "dispatch": f"{REGISTRY}/sluice/dispatch",
        "proxy": "gcr.io/cloud-sql-connectors/cloud-sql-proxy",
    }


def test_a_service_without_an_image_stops_it_before_anything_is_planned(checkout: Checkout, store: Store) -> None:
    path = checkout.lock(REGISTRY)
    images = dict(ImagesLock.load(path).images)
    del images["sluice/dispatch"]
    ImagesLock.of(images).save(path)
    assert "has no sluice/dispatch, which Terraform's services run" in deploy(checkout).stderr
    assert steps(checkout) == ["init", "output"]
