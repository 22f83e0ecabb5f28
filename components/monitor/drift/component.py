"""The KFP face of ``drift``."""

from kfp import dsl


@dsl.component(base_image="sluice/monitor", install_kfp_package=False)
def drift(
    profile: dsl.Input[dsl.Artifact],
    now: str,
    endpoint: str,
    endpoints: str,
    settings: str,
    store: str,
    code: str,
    evidence: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Compares a window with what the model was trained on and with its first windows after release."""
    from components.core.step import run_step
    from components.monitor.drift import shifts
    from components.monitor.drift.settings import Drift

    run_step(
        shifts.drift, Drift.decode(settings), step="drift", store=store, code=code, page=page, figures=figures,
        inputs={"profile": profile}, outputs={"evidence": evidence},
        values={"now": now, "endpoint": endpoint, "endpoints": endpoints},
    )  # fmt: skip
