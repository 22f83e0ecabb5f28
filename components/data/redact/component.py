"""The KFP face of ``redact``."""

from kfp import dsl


@dsl.component(base_image="sluice/data", install_kfp_package=False)
def redact(
    documents: dsl.Input[dsl.Artifact],
    settings: str,
    store: str,
    code: str,
    redacted: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Replaces e-mail addresses and phone numbers by ``<EMAIL>`` and ``<PHONE>``."""
    from components.core.step import run_step
    from components.data.redact import documents as method
    from components.data.redact.settings import Redact

    inputs, outputs = {"documents": documents}, {"redacted": redacted}
    run_step(
        method.redact, Redact.decode(settings), step="redact", store=store, code=code, page=page, figures=figures,
        inputs=inputs, outputs=outputs,
    )  # fmt: skip
