"""The KFP face of ``card``."""

from kfp import dsl


@dsl.component(base_image="sluice/release", install_kfp_package=False)
def card(
    evidence: dsl.Input[dsl.Artifact],
    decision: dsl.Input[dsl.Artifact],
    model: str,
    settings: str,
    store: str,
    code: str,
    card: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Writes the model card from the evidence; a part that is missing refuses the release."""
    from components.core.step import run_step
    from components.release.card import model_card
    from components.release.card.settings import Card

    return run_step(
        model_card.card_reference, Card.decode(settings), step="card", store=store, code=code,
        page=page, figures=figures, inputs={"evidence": evidence, "decision": decision},
        outputs={"card": card},
        values={"model": model},
    )  # fmt: skip
