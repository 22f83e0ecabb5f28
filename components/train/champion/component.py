"""The KFP face of ``champion``."""

from kfp import dsl


@dsl.component(base_image="sluice/train", install_kfp_package=False)
def champion(
    endpoint: str,
    endpoints: str,
    settings: str,
    store: str,
    code: str,
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Says which model serves, for a training that starts from it; never cached."""
    from components.core.step import run_step
    from components.train.champion import serving
    from components.train.champion.settings import Champion

    return run_step(
        serving.champion, Champion.decode(settings), step="champion", store=store, code=code, page=page,
        figures=figures, values={"endpoint": endpoint, "endpoints": endpoints},
    )  # fmt: skip
