"""The KFP face of ``retraining``."""

from kfp import dsl


@dsl.component(base_image="sluice/monitor", install_kfp_package=False)
def retraining(
    evidence: dsl.Input[dsl.Artifact],
    now: str,
    endpoint: str,
    endpoints: str,
    environment: str,
    trust: str,
    key: str,
    settings: str,
    store: str,
    code: str,
    decision: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Decides by figures, policy and history: retrain, wait or alert. It is signed, and names its evidence."""
    from components.core.step import run_step
    from components.monitor.retraining import verdict
    from components.monitor.retraining.settings import Retraining

    return run_step(
        verdict.retraining, Retraining.decode(settings), step="retraining", store=store, code=code, page=page,
        figures=figures, inputs={"evidence": evidence}, outputs={"decision": decision},
        values={
            "now": now, "endpoint": endpoint, "endpoints": endpoints, "environment": environment, "trust": trust,
            "key": key,
        },
    )  # fmt: skip
