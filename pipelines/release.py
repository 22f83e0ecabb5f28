"""The release: a candidate is compared with what serves, somebody decides, and what should serve is written down."""

from typing import Any

from kfp import dsl

from pipelines.placement import WORD, Placement


def release(place: Placement) -> Any:
    """The graph. Its parameters name artifacts of the lifecycle by place and digest."""

    @dsl.pipeline(name="release", description="A candidate is examined, decided about, and perhaps made to serve.")
    def graph(now: str, model: str, suites: str, overlap: str) -> None:
        answers = place("benchmark", model=model, suites=suites, overlap=overlap).outputs["answers"]
        serving = place("incumbent", suites=suites, overlap=overlap)
        incumbent, incumbent_answers = serving.outputs[WORD], serving.outputs["answers"]

        judged = place(
            "gate",
            model=model,
            suites=suites,
            answers=answers,
            incumbent=incumbent,
            incumbent_answers=incumbent_answers,
        )
        evidence = judged.outputs["evidence"]
        decided = place("decide", evidence=evidence, now=now)
        # A refusal ends here, and so does waiting for people: their word is a request of its own.
        with dsl.If(decided.outputs[WORD] == "pass"):
            decision = decided.outputs["decision"]
            described = place("card", model=model, evidence=evidence, decision=decision)
            with dsl.If(described.outputs[WORD] == "pass"):
                # The branches spare work. What guards the endpoint is that transition verifies everything again.
                place("transition", decision=decision, card=described.outputs["card"])

    return graph
