"""The KFP face of ``gate``."""

from kfp import dsl


@dsl.component(base_image="sluice/evaluate", install_kfp_package=False)
def gate(
    answers: dsl.Input[dsl.Artifact],
    incumbent_answers: dsl.Input[dsl.Artifact],
    model: str,
    suites: str,
    incumbent: str,
    policy: str,
    endpoints: str,
    settings: str,
    store: str,
    code: str,
    evidence: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Compares a candidate with what serves, question by question, and says which claims of the policy hold."""
    from components.core.step import run_step
    from components.evaluate.gate import judge
    from components.evaluate.gate.settings import Gate

    return run_step(
        judge.gate_references, Gate.decode(settings), step="gate", store=store, code=code,
        page=page, figures=figures, inputs={"answers": answers, "incumbent_answers": incumbent_answers},
        outputs={"evidence": evidence},
        values={"model": model, "suites": suites, "incumbent": incumbent, "policy": policy, "endpoints": endpoints},
    )  # fmt: skip
