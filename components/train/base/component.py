"""The KFP face of ``base``."""

from kfp import dsl


@dsl.component(base_image="sluice/train", install_kfp_package=False)
def base(
    conversations: dsl.Input[dsl.Artifact],
    champion: str,
    settings: str,
    store: str,
    code: str,
    model: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Puts the model that training starts from into the store, pinned by digest."""
    from components.core.step import run_step
    from components.train.base import base as method
    from components.train.base.settings import Base

    inputs, outputs = {"conversations": conversations}, {"model": model}
    run_step(
        method.base, Base.decode(settings), step="base", store=store, code=code, page=page, figures=figures,
        inputs=inputs, outputs=outputs, values={"champion": champion},
    )  # fmt: skip
