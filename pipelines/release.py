"""The release: what is known about a candidate before anyone decides about it. So far: its benchmark."""

from typing import Any

from kfp import dsl

from pipelines.placement import Placement


def release(place: Placement) -> Any:
    """The graph. Its parameters name artifacts of the lifecycle by place and digest."""

    @dsl.pipeline(name="release", description="A candidate is asked what its lifecycle set aside.")
    def graph(model: str, suites: str, overlap: str) -> None:
        place("benchmark", model=model, suites=suites, overlap=overlap)

    return graph
