"""The KFP face of ``observe``."""

from kfp import dsl


@dsl.component(base_image="sluice/monitor", install_kfp_package=False)
def observe(
    now: str,
    endpoint: str,
    requests: str,
    settings: str,
    store: str,
    code: str,
    window: dsl.Output[dsl.Artifact],
    labelled: dsl.Output[dsl.Artifact],
    corrected: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Takes what the request log gained since the last window; the word names what may be learned from."""
    from components.core.step import run_step
    from components.monitor.observe import window as method
    from components.monitor.observe.settings import Observe

    return run_step(
        method.observe, Observe.decode(settings), step="observe", store=store, code=code, page=page, figures=figures,
        outputs={"window": window, "labelled": labelled, "corrected": corrected},
        values={"now": now, "endpoint": endpoint, "requests": requests},
    )  # fmt: skip
