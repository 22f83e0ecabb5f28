"""The KFP face of ``deduplicate``."""

from kfp import dsl


@dsl.component(base_image="sluice/data", install_kfp_package=False)
def deduplicate(
    documents: dsl.Input[dsl.Artifact],
    settings: str,
    store: str,
    code: str,
    deduplicated: dsl.Output[dsl.Artifact],
    clusters: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Keeps exactly one of each cluster of equal and nearly equal documents."""
    from components.core.step import run_step
    from components.data.deduplicate import minhash
    from components.data.deduplicate.settings import Deduplicate

    inputs, outputs = {"documents": documents}, {"deduplicated": deduplicated, "clusters": clusters}
    run_step(
        minhash.deduplicate, Deduplicate.decode(settings), step="deduplicate", store=store, code=code, page=page,
        figures=figures, inputs=inputs, outputs=outputs,
    )  # fmt: skip
