"""The KFP face of ``suites``."""

from kfp import dsl


@dsl.component(base_image="sluice/evaluate", install_kfp_package=False)
def suites(
    held_out: dsl.Input[dsl.Artifact],
    sources: str,
    settings: str,
    store: str,
    code: str,
    suites: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Fixes by digest what the model will be asked: the held-out rows and the named benchmarks."""
    from components.core.step import run_step
    from components.evaluate.suites import questions
    from components.evaluate.suites.settings import Suites

    run_step(
        questions.suites, Suites.decode(settings), step="suites", store=store, code=code, page=page, figures=figures,
        inputs={"held_out": held_out}, outputs={"suites": suites}, values={"sources": sources},
    )  # fmt: skip
