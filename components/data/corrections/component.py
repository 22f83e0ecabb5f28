"""The KFP face of ``corrections``."""

from kfp import dsl


@dsl.component(base_image="sluice/data", install_kfp_package=False)
def corrections(
    documents: dsl.Input[dsl.Artifact],
    corrected: str,
    style: str,
    settings: str,
    store: str,
    code: str,
    extended: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Adds to the documents what the policy lets be learned from traffic; the rest stays in quarantine."""
    from components.core.step import run_step
    from components.data.corrections import policy
    from components.data.corrections.settings import Corrections

    run_step(
        policy.corrections, Corrections.decode(settings), step="corrections", store=store, code=code, page=page,
        figures=figures, inputs={"documents": documents}, outputs={"extended": extended},
        values={"corrected": corrected, "style": style},
    )  # fmt: skip
