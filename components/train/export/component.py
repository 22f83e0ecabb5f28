"""The KFP face of ``export``."""

from kfp import dsl


@dsl.component(base_image="sluice/train", install_kfp_package=False)
def export(
    trained: dsl.Input[dsl.Artifact],
    base: dsl.Input[dsl.Artifact],
    recipe: str,
    settings: str,
    store: str,
    code: str,
    exported: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Writes the trained model as a folder that transformers loads, merged or as an adapter."""
    from components.core.step import run_step
    from components.train.export import export as method
    from components.train.export.settings import Export

    inputs, outputs = {"trained": trained, "base": base}, {"exported": exported}
    run_step(
        method.export, Export.decode(settings), step="export", store=store, code=code, page=page, figures=figures,
        inputs=inputs, outputs=outputs, values={"recipe": recipe},
    )  # fmt: skip
