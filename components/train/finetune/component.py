"""The KFP face of ``finetune``."""

from kfp import dsl


@dsl.component(base_image="sluice/train", install_kfp_package=False)
def finetune(
    tokens: dsl.Input[dsl.Artifact],
    model: dsl.Input[dsl.Artifact],
    tracking: str,
    settings: str,
    store: str,
    code: str,
    trained: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Fine-tunes a model on token shards, all weights or adapters, and goes on where a crash left it."""
    from components.core.step import run_step
    from components.train.finetune import finetune as method
    from components.train.finetune.settings import Finetune

    inputs, outputs, values = {"tokens": tokens, "model": model}, {"trained": trained}, {"tracking": tracking}
    run_step(
        method.finetune, Finetune.decode(settings), step="finetune", store=store, code=code, page=page,
        figures=figures, inputs=inputs, outputs=outputs, values=values,
    )  # fmt: skip
