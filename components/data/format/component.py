"""The KFP face of ``format``."""

from kfp import dsl


@dsl.component(base_image="sluice/data", install_kfp_package=False)
def format(
    documents: dsl.Input[dsl.Artifact],
    settings: str,
    store: str,
    code: str,
    conversations: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Turns documents with their answers or labels into conversations."""
    from components.core.step import run_step
    from components.data.format import conversations as method
    from components.data.format.settings import Format

    inputs, outputs = {"documents": documents}, {"conversations": conversations}
    run_step(
        method.format, Format.decode(settings), step="format", store=store, code=code, page=page, figures=figures,
        inputs=inputs, outputs=outputs,
    )  # fmt: skip
