"""The KFP face of ``probe``."""

from kfp import dsl


@dsl.component(base_image="sluice/data", install_kfp_package=False)
def probe(
    nonce: str,
    first: str,
    second: str,
    account: str,
    settings: str,
    store: str,
    code: str,
    page: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> str:
    """Looks at an environment from inside: store, account and log; and, given two attempts, at the cache."""
    from components.core.step import run_step
    from components.data.probe import inside
    from components.data.probe.settings import Probe

    return run_step(
        inside.probe, Probe.decode(settings), step="probe", store=store, code=code, page=page, figures=figures,
        values={"nonce": nonce, "first": first, "second": second, "account": account},
    )  # fmt: skip
