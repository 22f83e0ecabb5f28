"""The KFP face of ``ingest``."""

from kfp import dsl


@dsl.component(base_image="sluice/data", install_kfp_package=False)
def ingest(
    sources: str,
    settings: str,
    store: str,
    code: str,
    documents: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Reads the pinned training sources into documents; a row that cannot be one is rejected with its reason."""
    from components.core.step import run_step
    from components.data.ingest import documents as method
    from components.data.ingest.settings import Ingest

    run_step(
        method.ingest, Ingest.decode(settings), step="ingest", store=store, code=code, page=page, figures=figures,
        outputs={"documents": documents}, values={"sources": sources},
    )  # fmt: skip
