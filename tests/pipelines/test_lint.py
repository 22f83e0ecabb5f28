"""A test for each thing that is refused when a graph is compiled."""

from pathlib import Path
from typing import NamedTuple

import pytest
from kfp import compiler, dsl

from pipelines import lint
from pipelines.backends import kubeflow, local, vertex
from pipelines.environment import Environment, load_environment
from pipelines.recipe import RecipeBase, load_recipe, shipped
from pipelines.resources import Accelerator, Resources

PINNED = "registry.example/x@sha256:" + "0" * 64


@dsl.component(base_image=PINNED, install_kfp_package=False)
def word() -> str:
    return "pass"


@dsl.component(base_image=PINNED, install_kfp_package=False)
def named() -> NamedTuple("Outputs", [("verdict", str)]):
    return ("pass",)


@dsl.component(base_image=PINNED, install_kfp_package=False)
def numbers() -> list:
    return [1, 2]


@dsl.component(base_image=PINNED, install_kfp_package=False)
def make(made: dsl.Output[dsl.Artifact]):
    pass


@dsl.component(base_image=PINNED, install_kfp_package=False)
def use(given: dsl.Input[dsl.Artifact]):
    pass


@dsl.component(base_image=PINNED, install_kfp_package=False)
def act(text: str):
    pass


@dsl.component(base_image=PINNED, install_kfp_package=False)
def see(now: str):
    pass


@dsl.component(base_image=PINNED, install_kfp_package=False)
def curate():
    pass


@dsl.component(base_image=PINNED, install_kfp_package=False)
def benchmark():
    pass


@dsl.component(base_image=PINNED)
def installs():
    pass


@dsl.component(base_image="registry.example/x:latest", install_kfp_package=False)
def tagged():
    pass


@dsl.container_component
def contained():
    return dsl.ContainerSpec(image=PINNED, command=["true"])


def quiet(task, cached=False):
    return task.set_display_name("A title").set_caching_options(cached)


def refusals(body, tmp_path: Path, environment: str) -> list[str]:
    """What lint says of a graph whose tasks ``body`` makes."""
    graph = dsl.pipeline(name="graph")(body)
    compiler.Compiler().compile(graph, str(tmp_path / "graph.yaml"))
    return lint.graph((tmp_path / "graph.yaml").read_text(), load_environment(environment))


def nothing():
    quiet(word())


def branch_on_named():
    decided = quiet(named())
    with dsl.If(decided.outputs["verdict"] == "pass"):
        quiet(act(text="x"))


def cached_decision():
    quiet(benchmark(), cached=True)


def cached_after_uncached():
    quiet(use(given=quiet(make()).outputs["made"]), cached=True)


def cached_without_code():
    quiet(curate(), cached=True)


def cached_sees_now():
    quiet(see(now="2026-01-01"), cached=True)


def retry_in_loop():
    with dsl.ParallelFor(quiet(numbers()).output):
        quiet(word()).set_retry(2)


def loop_in_exit_handler():
    with dsl.ExitHandler(quiet(word())), dsl.ParallelFor(quiet(numbers()).output):
        quiet(word())


def installing():
    quiet(installs())


def by_tag():
    quiet(tagged())


def container():
    quiet(contained())


def untitled():
    word().set_caching_options(False)


def with_kubernetes_settings():
    from kfp import kubernetes

    kubernetes.set_timeout(quiet(word()), 60)


@pytest.mark.parametrize(
    ("body", "environment", "sentence"),
    [
        (branch_on_named, "local", "branches on the named output verdict, which is silently false"),
        (cached_decision, "vertex", "benchmark: is cached, but it looks at the world or decides"),
        (cached_after_uncached, "vertex", "use: is cached and takes the artifact given of make, which is not"),
        (cached_without_code, "vertex", "curate: is cached without a code digest"),
        (cached_sees_now, "vertex", "see: is cached and takes `now`, so it would never hit"),
        (retry_in_loop, "kubeflow", "word: retries inside ParallelFor"),
        (loop_in_exit_handler, "kubeflow", "ParallelFor inside ExitHandler"),
        (installing, "kubeflow", "installs: installs packages when it starts"),
        (by_tag, "vertex", "tagged: image registry.example/x:latest is not pinned"),
        (container, "local", "contained: is a container component"),
        (untitled, "vertex", "word: has no display name"),
        (with_kubernetes_settings, "vertex", "the graph has Kubernetes settings, which vertex cannot load"),
    ],
)
def test_what_is_refused_names_step_and_reason(body, environment: str, sentence: str, tmp_path: Path) -> None:
    found = refusals(body, tmp_path, environment)
    assert len(found) == 1
    assert sentence in found[0]


@pytest.mark.parametrize("environment", ["local", "kubeflow", "vertex"])
def test_a_graph_without_fault_is_not_refused(environment: str, tmp_path: Path) -> None:
    assert refusals(nothing, tmp_path, environment) == []


@pytest.mark.parametrize(
    ("body", "environment"),
    [
        (retry_in_loop, "local"),
        (loop_in_exit_handler, "vertex"),
        (container, "vertex"),
        (with_kubernetes_settings, "kubeflow"),
    ],
)
def test_what_a_backend_can_do_is_not_refused_there(body, environment: str, tmp_path: Path) -> None:
    assert refusals(body, tmp_path, environment) == []


def test_a_folder_of_this_machine_is_refused_for_a_cloud_and_let_pass_in_an_example() -> None:
    recipe = load_recipe(next(path for path in shipped() if path.stem == "helpdesk"))
    real = load_environment("vertex").model_copy(update={"example": False})
    found = lint.resources(recipe, real)
    assert len(found) == 1
    assert found[0].startswith("resolve: root: data is a folder of this machine, which no step on vertex sees")
    assert found[0].endswith(f"in a bucket that {real.service_account} can reach")
    for root in ("file:///srv/data", "local:///srv/data", "simplecache::file:///srv/data"):
        assert lint.resources(rooted(root), real)[0].startswith(f"resolve: root: {root} is a folder of this machine")
    assert lint.resources(rooted("memory://data"), real)[0].startswith("resolve: root: memory://data is the memory of")
    for root in ("s3://documents/desk", "simplecache::gs://documents/desk"):
        assert lint.resources(rooted(root), real) == []
    assert lint.resources(recipe, load_environment("vertex")) == []
    assert lint.resources(recipe, load_environment("local")) == []


@pytest.mark.parametrize(
    ("setting", "address", "instead"),
    [
        ("trust", ".sluice/trust.json", "gs://BUCKET/NAME or s3://BUCKET/NAME"),
        ("trust", "memory://trust.json", "gs://BUCKET/NAME or s3://BUCKET/NAME"),
        ("requests", "./requests", "gs://… or s3://…"),
        ("requests", "file://requests", "gs://… or s3://…"),
        ("endpoints", "sqlite:///endpoints.db", "gs://BUCKET/PREFIX or postgresql://USER@HOST:PORT/DATABASE"),
        ("registry", "sqlite:///mlflow.db", "an MLflow server (https://…) or vertex://PROJECT/REGION"),
        ("tracking", "sqlite:///./mlflow.db", "an MLflow server (https://…)"),
        ("tracking", "mlruns", "an MLflow server (https://…)"),
    ],
)
def test_a_place_of_one_container_is_refused_for_a_cloud(setting: str, address: str, instead: str) -> None:
    recipe = rooted("gs://documents/desk")
    (found,) = lint.resources(recipe, elsewhere(**{setting: address}))
    assert found == (
        f"{setting}: {address} is, to a step on vertex, a place in its own container: empty, and gone when it ends;"
        f" name {instead}"
    )
    for harmless in ({"example": True}, {"api_endpoint": "http://127.0.0.1:8889"}):
        assert lint.resources(recipe, elsewhere(**{setting: address, **harmless})) == []


def test_what_may_be_mounted_or_is_reached_from_everywhere_is_let_pass_for_a_cloud() -> None:
    recipe = rooted("gs://documents/desk")
    for places in (
        {},
        {"trust": "/mnt/trust.json", "requests": "/mnt/log", "endpoints": "sqlite:////mnt/endpoints.db"},
        {"registry": "http://[fd00::1]:5000", "tracking": "https://mlflow.example", "requests": "s3://requests/log"},
        {"registry": "sqlite:////mnt/mlflow.db", "tracking": "", "endpoints": "postgresql://sluice@db.example/sluice"},
    ):
        assert lint.resources(recipe, elsewhere(**places)) == []


def test_the_file_of_a_service_key_is_refused_for_a_cloud_and_a_persons_is_not() -> None:
    keys = elsewhere().keys | {"anna": "file2:/home/anna/anna.pem"}
    recipe = rooted("gs://documents/desk")
    assert lint.resources(recipe, elsewhere(keys=keys)) == []
    (found,) = lint.resources(recipe, elsewhere(keys=keys | {"monitor": "file2:/home/anna/monitor.pem"}))
    assert found == (
        "keys: monitor: file2:/home/anna/monitor.pem is a file of this machine, which no step on vertex sees; name a"
        " key in a vault: gcpkms:… or awskms:…"
    )


def elsewhere(**changes: object) -> Environment:
    """The shipped environment of Vertex AI, as one that is really submitted to."""
    return load_environment("vertex").model_copy(update={"example": False, "api_endpoint": "", **changes})


def rooted(root: str) -> RecipeBase:
    """The shipped recipe, with its documents elsewhere."""
    return load_recipe(next(path for path in shipped() if path.stem == "helpdesk"), (f"resolve.root={root}",))


GPU = Resources(accelerator=Accelerator(type="nvidia.com/gpu"))


@pytest.mark.parametrize(
    ("backend", "environment", "asked", "secrets", "sentence"),
    [
        (local, "local", GPU, {}, "x: accelerator: this machine hands out none"),
        (local, "local", Resources(spot=True), {}, "x: spot: this machine is not taken away"),
        (
            local,
            "local",
            Resources(),
            {"t": "secret://a/b"},
            "x: secret t: secret://a/b cannot be read on this machine",
        ),
        (vertex, "vertex", Resources(spot=True), {}, "x: spot: Vertex AI Pipelines"),
        (vertex, "vertex", Resources(timeout="1h"), {}, "x: timeout: Vertex AI Pipelines has no time limit"),
        (vertex, "vertex", Resources(), {"t": "env://T"}, "x: secret t: env://T names no secret of Secret Manager"),
        (vertex, "vertex", Resources(), {"t": "secret://t/1/2"}, "x: secret t: secret://t/1/2 names no secret of"),
        (
            kubeflow,
            "kubeflow",
            Resources(),
            {"t": "env://T"},
            "x: secret t: env://T names no key of a Kubernetes Secret",
        ),
    ],
)
def test_resources_that_cannot_be_had_are_refused(backend, environment, asked, secrets, sentence) -> None:
    found = list(backend.cannot("x", asked, secrets, load_environment(environment)))
    assert len(found) == 1
    assert found[0].startswith(sentence)


def test_resources_that_can_be_had_are_not_refused() -> None:
    everything = Resources(cpu=4, memory="8Gi", accelerator=GPU.accelerator, timeout="1h", spot=True, retries=3)
    assert list(kubeflow.cannot("x", everything, {"t": "secret://a/b"}, load_environment("kubeflow"))) == []
    assert list(vertex.cannot("x", Resources(cpu=4, memory="8Gi", accelerator=GPU.accelerator), {}, None)) == []


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("secret://hub-token", "projects/sluice-example/secrets/hub-token/versions/latest"),
        ("secret://hub-token/3", "projects/sluice-example/secrets/hub-token/versions/3"),
        ("secret://hub-token/versions/live", "projects/sluice-example/secrets/hub-token/versions/live"),
        ("secret://projects/other/secrets/hub_token", "projects/other/secrets/hub_token/versions/latest"),
        ("secret://projects/example.com:p/secrets/h/versions/3", "projects/example.com:p/secrets/h/versions/3"),
    ],
)
def test_a_secret_on_vertex_is_a_version_in_secret_manager(reference: str, version: str) -> None:
    assert vertex.secret_version(reference, load_environment("vertex")) == f"secret://{version}"
    assert list(vertex.cannot("x", Resources(), {"t": reference}, load_environment("vertex"))) == []


def test_a_claim_about_a_suite_that_the_recipe_does_not_make_is_refused_before_the_training(tmp_path: Path) -> None:
    helpdesk = next(path for path in shipped() if path.stem == "helpdesk")
    environment = load_environment("local")
    claims = "gate.claims=[{suite: exm, floor: 0.5}, {suite: held-out, floor: 0.5}]"
    found = lint.resources(load_recipe(helpdesk, (claims,)), environment)
    assert found == ["gate: claims: exm: floor 0.5: there is no suite 'exm'; did you mean exam?"]
    assert lint.resources(load_recipe(helpdesk), environment) == []
