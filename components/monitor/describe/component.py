"""The KFP face of ``describe``."""

from kfp import dsl


@dsl.component(base_image="sluice/monitor", install_kfp_package=False)
def describe(
    window: dsl.Input[dsl.Artifact],
    labelled: dsl.Input[dsl.Artifact],
    settings: str,
    store: str,
    code: str,
    profile: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Describes a window: lengths, languages, latency, errors, answers, and what people said of them."""
    from components.core.step import run_step
    from components.monitor.describe import profile as method
    from components.monitor.describe.settings import Describe

    run_step(
        method.describe, Describe.decode(settings), step="describe", store=store, code=code, page=page,
        figures=figures, inputs={"window": window, "labelled": labelled}, outputs={"profile": profile},
    )  # fmt: skip
