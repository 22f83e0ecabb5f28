"""The KFP face of ``tokenise``."""

from kfp import dsl


@dsl.component(base_image="sluice/data", install_kfp_package=False)
def tokenise(
    conversations: dsl.Input[dsl.Artifact],
    model: dsl.Input[dsl.Artifact],
    settings: str,
    store: str,
    code: str,
    tokens: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Turns conversations into token shards with a loss mask on what the assistant says."""
    from components.core.step import run_step
    from components.data.tokenise import tokenise as method
    from components.data.tokenise.settings import Tokenise

    inputs, outputs = {"conversations": conversations, "model": model}, {"tokens": tokens}
    run_step(
        method.tokenise, Tokenise.decode(settings), step="tokenise", store=store, code=code, page=page, figures=figures,
        inputs=inputs, outputs=outputs,
    )  # fmt: skip
