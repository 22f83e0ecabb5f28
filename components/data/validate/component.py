"""The KFP face of ``validate``."""

from kfp import dsl


@dsl.component(base_image="sluice/data", install_kfp_package=False)
def validate(
    documents: dsl.Input[dsl.Artifact],
    settings: str,
    store: str,
    code: str,
    validated: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Checks documents against what is expected of them; a row is rejected, or the input refused, with the reason."""
    from components.core.step import run_step
    from components.data.validate import expectations
    from components.data.validate.settings import Validate

    inputs, outputs = {"documents": documents}, {"validated": validated}
    run_step(
        expectations.validate, Validate.decode(settings), step="validate", store=store, code=code, page=page,
        figures=figures, inputs=inputs, outputs=outputs,
    )  # fmt: skip
