"""The KFP face of ``resolve``."""

from kfp import dsl


@dsl.component(base_image="sluice/data", install_kfp_package=False)
def resolve(
    now: str,
    settings: str,
    store: str,
    code: str,
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Pins every source by the digest of its bytes; never cached."""
    from components.core.step import run_step
    from components.data.resolve import pin
    from components.data.resolve.settings import Resolve

    return run_step(
        pin.resolve, Resolve.decode(settings), step="resolve", store=store, code=code, page=page, figures=figures,
        values={"now": now},
    )  # fmt: skip
