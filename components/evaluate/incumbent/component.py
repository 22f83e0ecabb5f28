"""The KFP face of ``incumbent``."""

from kfp import dsl


@dsl.component(base_image="sluice/evaluate", install_kfp_package=False)
def incumbent(
    suites: str,
    overlap: str,
    environment: str,
    trust: str,
    key: str,
    endpoint: str,
    endpoints: str,
    settings: str,
    store: str,
    code: str,
    answers: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Asks the model that serves what the candidate is asked, and says which it is."""
    import os

    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TQDM_DISABLE="1")
    from components.core.step import run_step
    from components.evaluate.incumbent import serving
    from components.evaluate.incumbent.settings import Incumbent

    return run_step(
        serving.incumbent, Incumbent.decode(settings), step="incumbent", store=store, code=code,
        page=page, figures=figures, outputs={"answers": answers},
        values={"suites": suites, "overlap": overlap, "endpoint": endpoint, "endpoints": endpoints,
                "environment": environment, "trust": trust, "key": key},
    )  # fmt: skip
