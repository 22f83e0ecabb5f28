"""The KFP face of ``decontaminate``."""

from kfp import dsl


@dsl.component(base_image="sluice/data", install_kfp_package=False)
def decontaminate(
    documents: dsl.Input[dsl.Artifact],
    suites: dsl.Input[dsl.Artifact],
    settings: str,
    store: str,
    code: str,
    decontaminated: dsl.Output[dsl.Artifact],
    overlap: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Removes training texts that copy an exam question, and tells which questions have a near-duplicate."""
    from components.core.step import run_step
    from components.data.decontaminate import overlap as method
    from components.data.decontaminate.settings import Decontaminate

    inputs = {"documents": documents, "suites": suites}
    outputs = {"decontaminated": decontaminated, "overlap": overlap}
    run_step(
        method.decontaminate, Decontaminate.decode(settings), step="decontaminate", store=store, code=code, page=page,
        figures=figures, inputs=inputs, outputs=outputs,
    )  # fmt: skip
