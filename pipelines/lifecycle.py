"""The lifecycle: text becomes a fine-tuned candidate, and its release is asked for."""

from typing import Any

from kfp import dsl

from pipelines.placement import WORD, Placement


def lifecycle(place: Placement, release: str) -> Any:
    """The graph. ``release`` is the digest of the compiled release graph that this one asks for at its end.

    Its parameter ``corrected`` names what users corrected, where monitoring asked for this run; it is empty elsewhere.
    """

    def cleaned(documents: Any) -> Any:
        documents = place("validate", documents=documents).outputs["validated"]
        documents = place("curate", documents=documents).outputs["curated"]
        documents = place("deduplicate", documents=documents).outputs["deduplicated"]
        return place("redact", documents=documents).outputs["redacted"]

    @dsl.pipeline(name="lifecycle", description="Sources to a candidate, and the request for its release.")
    def graph(now: str, corrected: str = "") -> None:
        sources = place("resolve", now=now).outputs[WORD]
        documents = place("ingest", sources=sources).outputs["documents"]
        documents = cleaned(documents)

        # The exam is fixed before anything is trained, and before anything is learned from traffic: whoever writes
        # corrections can neither put a question into it nor push one out.
        sides = place("split", documents=documents)
        suites = place("suites", held_out=sides.outputs["held_out"], sources=sources).outputs["suites"]

        documents = sides.outputs["train"]
        if place.recipe.section("corrections").learn:
            # What traffic teaches is cleaned like all data, beside it and against exactly that exam.
            style = place.recipe.settings("format").encode()
            documents = place("corrections", documents=documents, corrected=corrected, style=style).outputs["extended"]
            documents = cleaned(documents)
        clean = place("decontaminate", documents=documents, suites=suites)

        conversations = place("format", documents=clean.outputs["decontaminated"]).outputs["conversations"]
        champion = place("champion").outputs[WORD] if place.recipe.section("base").start == "champion" else ""
        base = place("base", conversations=conversations, champion=champion).outputs["model"]
        tokens = place("tokenise", conversations=conversations, model=base).outputs["tokens"]

        trained = base
        for stage in place.recipe.train:
            start = trained
            trained = place(stage.trainer, stage=stage.name, tokens=tokens, model=start).outputs["trained"]
        exported = place("export", trained=trained, base=start, recipe=place.recipe.digest).outputs["exported"]
        registered = place("register", model=exported)

        place(
            "request",
            model=exported,
            suites=suites,
            overlap=clean.outputs["overlap"],
            spec=release,
            recipe=place.recipe.digest,
        ).after(registered)

    return graph
