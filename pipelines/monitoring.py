"""Monitoring: a window of the request log is taken, described and compared, and somebody decides whether to retrain."""

from typing import Any

from kfp import dsl

from pipelines.placement import WORD, Placement


def monitoring(place: Placement, lifecycle: str) -> Any:
    """The graph. ``lifecycle`` is the digest of the compiled lifecycle that this one asks for where it is due."""

    @dsl.pipeline(name="monitoring", description="A window of the request log to a decision, and perhaps a retraining.")
    def graph(now: str) -> None:
        observed = place("observe", now=now)
        seen = {"window": observed.outputs["window"], "labelled": observed.outputs["labelled"]}
        profile = place("describe", **seen).outputs["profile"]
        evidence = place("drift", profile=profile, now=now).outputs["evidence"]
        decided = place("retraining", evidence=evidence, now=now)
        with dsl.If(decided.outputs[WORD] == "retrain"):
            place(
                "ask",
                decision=decided.outputs["decision"],
                corrected=observed.outputs["corrected"],
                spec=lifecycle,
                recipe=place.recipe.digest,
            )

    return graph
