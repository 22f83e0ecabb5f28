"""The KFP face of ``request``."""

from kfp import dsl


@dsl.component(base_image="sluice/release", install_kfp_package=False)
def request(
    model: dsl.Input[dsl.Artifact],
    suites: dsl.Input[dsl.Artifact],
    overlap: dsl.Input[dsl.Artifact],
    spec: str,
    recipe: str,
    environment: str,
    settings: str,
    store: str,
    code: str,
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Asks for the release of a candidate; the dispatcher starts it under that graph's own account."""
    from components.core.step import run_step
    from components.release.request import ask
    from components.release.request.settings import Request

    inputs = {"model": model, "suites": suites, "overlap": overlap}
    values = {"spec": spec, "recipe": recipe, "environment": environment}
    return run_step(
        ask.request, Request.decode(settings), step="request", store=store, code=code, page=page, figures=figures,
        inputs=inputs, values=values,
    )  # fmt: skip
