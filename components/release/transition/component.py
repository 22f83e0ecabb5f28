"""The KFP face of ``transition``."""

from kfp import dsl


@dsl.component(base_image="sluice/release", install_kfp_package=False)
def transition(
    decision: dsl.Input[dsl.Artifact],
    card: dsl.Input[dsl.Artifact],
    endpoint: str,
    environment: str,
    policy: str,
    endpoints: str,
    trust: str,
    registry: str,
    settings: str,
    store: str,
    code: str,
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Verifies a decision once more, and writes down that its model should serve."""
    from components.core.step import run_step
    from components.release.transition import transition as method
    from components.release.transition.settings import Transition

    return run_step(
        method.transition, Transition.decode(settings), step="transition", store=store, code=code,
        page=page, figures=figures, inputs={"decision": decision, "card": card},
        values={
            "endpoint": endpoint, "environment": environment, "policy": policy, "endpoints": endpoints, "trust": trust,
            "registry": registry,
        },
    )  # fmt: skip
