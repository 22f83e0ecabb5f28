"""The KFP face of ``curate``."""

from kfp import dsl


@dsl.component(base_image="sluice/data", install_kfp_package=False)
def curate(
    documents: dsl.Input[dsl.Artifact],
    settings: str,
    store: str,
    code: str,
    curated: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Drops texts that no model should learn from, each with a named reason."""
    from components.core.step import run_step
    from components.data.curate import rules
    from components.data.curate.settings import Curate

    inputs, outputs = {"documents": documents}, {"curated": curated}
    run_step(
        rules.curate, Curate.decode(settings), step="curate", store=store, code=code, page=page, figures=figures,
        inputs=inputs, outputs=outputs,
    )  # fmt: skip
