"""The KFP face of ``benchmark``."""

from kfp import dsl


@dsl.component(base_image="sluice/evaluate", install_kfp_package=False)
def benchmark(
    model: str,
    suites: str,
    overlap: str,
    environment: str,
    trust: str,
    key: str,
    settings: str,
    store: str,
    code: str,
    answers: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Asks a model the questions of its suites, each once ever, and scores its answers."""
    import os

    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TQDM_DISABLE="1")
    from components.core.step import run_step
    from components.evaluate.benchmark import harness
    from components.evaluate.benchmark.settings import Benchmark

    run_step(
        harness.benchmark_references, Benchmark.decode(settings), step="benchmark", store=store, code=code,
        page=page, figures=figures, outputs={"answers": answers},
        values={
            "model": model, "suites": suites, "overlap": overlap, "environment": environment,
            "trust": trust, "key": key,
        },
    )  # fmt: skip
