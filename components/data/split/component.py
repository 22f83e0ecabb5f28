"""The KFP face of ``split``."""

from kfp import dsl


@dsl.component(base_image="sluice/data", install_kfp_package=False)
def split(
    documents: dsl.Input[dsl.Artifact],
    settings: str,
    store: str,
    code: str,
    train: dsl.Output[dsl.Artifact],
    held_out: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Sets held-out rows aside as exam questions; no group and no near-duplicates lie on both sides."""
    from components.core.step import run_step
    from components.data.split import groups
    from components.data.split.settings import Split

    inputs, outputs = {"documents": documents}, {"train": train, "held_out": held_out}
    run_step(
        groups.split, Split.decode(settings), step="split", store=store, code=code, page=page, figures=figures,
        inputs=inputs, outputs=outputs,
    )  # fmt: skip
