"""The KFP face of ``ask``."""

from kfp import dsl


@dsl.component(base_image="sluice/monitor", install_kfp_package=False)
def ask(
    decision: dsl.Input[dsl.Artifact],
    corrected: dsl.Input[dsl.Artifact],
    spec: str,
    recipe: str,
    environment: str,
    settings: str,
    store: str,
    code: str,
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Asks for a lifecycle on the decision to retrain; the dispatcher starts it under that graph's own account."""
    from components.core.step import run_step
    from components.monitor.ask import request
    from components.monitor.ask.settings import Ask

    inputs = {"decision": decision, "corrected": corrected}
    values = {"spec": spec, "recipe": recipe, "environment": environment}
    return run_step(
        request.ask, Ask.decode(settings), step="ask", store=store, code=code, page=page, figures=figures,
        inputs=inputs, values=values,
    )  # fmt: skip
