"""The KFP face of ``decide``."""

from kfp import dsl


@dsl.component(base_image="sluice/release", install_kfp_package=False)
def decide(
    evidence: dsl.Input[dsl.Artifact],
    now: str,
    endpoint: str,
    environment: str,
    policy: str,
    trust: str,
    key: str,
    settings: str,
    store: str,
    code: str,
    decision: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Decides about a candidate on the gate's evidence and people's word, and signs that."""
    from components.core.step import run_step
    from components.release.decide import verdict
    from components.release.decide.settings import Decide

    return run_step(
        verdict.decide, Decide.decode(settings), step="decide", store=store, code=code,
        page=page, figures=figures, inputs={"evidence": evidence}, outputs={"decision": decision},
        values={
            "now": now, "endpoint": endpoint, "environment": environment, "policy": policy, "trust": trust, "key": key,
        },
    )  # fmt: skip
