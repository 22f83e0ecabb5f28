"""The KFP face of ``register``."""

from kfp import dsl


@dsl.component(base_image="sluice/release", install_kfp_package=False)
def register(
    model: dsl.Input[dsl.Artifact],
    endpoint: str,
    registry: str,
    settings: str,
    store: str,
    code: str,
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Registers a candidate, with its digests, under its name."""
    from components.core.step import run_step
    from components.release.register import candidate
    from components.release.register.settings import Register

    return run_step(
        candidate.register, Register.decode(settings), step="register", store=store, code=code,
        page=page, figures=figures, inputs={"model": model},
        values={"endpoint": endpoint, "registry": registry},
    )  # fmt: skip
