"""The acts of the demo, each with what it must come to."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from components.core.evidence import read_evidence
from components.core.manifest import read_manifest
from components.core.run import Run, State
from pipelines.backends.ask import Ask
from pipelines.demo import traffic
from pipelines.demo.findings import tell_what_was_found
from pipelines.demo.phrases import AFTER, BEFORE
from pipelines.demo.place import RECIPE, Place, Server
from pipelines.demo.tickets import Ticket
from pipelines.follow import Finished, carry_out, tell
from pipelines.proof import find
from pipelines.recipe import load_recipe
from pipelines.runs import Runs

FIRST_WINDOW = 240
CHANGED_WINDOW = 640
LAST_WINDOW = 160
PER_MINUTE = 10_000_000
"""More than any machine sends: at 100,000 a fast one was told to wait while agents looked at answers."""
LOOKED_AT = 0.9
"""The share of answers that agents look at."""


@dataclass
class Scene:
    """What the acts share."""

    place: Place
    server: Server
    key: str = ""

    @property
    def client(self) -> traffic.Client:
        """A client of the endpoint."""
        return traffic.Client(self.server.port, self.key, self.place.recipe.served_at)

    def serve(self) -> None:
        """Has the endpoint served, and waits until it is."""
        if not self.key:
            from components.serve.api_keys import new_key

            keys = Path(self.place.environment.serving.keys)
            self.key = new_key(keys, f"demo-{time.time_ns():x}", per_minute=PER_MINUTE)
        self.server.start()
        generation = self.place.state.generation
        seconds = self.server.wait(generation)
        click.echo(f"generation {generation} serves on http://127.0.0.1:{self.server.port}/v1 after {seconds:.0f} s")


@dataclass(frozen=True)
class Act:
    """An act: what it is called, how long it may take, and the play itself, which returns what went wrong."""

    number: int
    title: str
    must: str
    budget_seconds: int
    play: Callable[[Scene], list[str]]


def first_model(scene: Scene) -> list[str]:
    """A lifecycle, a release by the floor, a server, a question by curl, and a first window to compare with."""
    place = scene.place
    planted = place.write_data()
    click.echo(f"{planted.rows} tickets and {planted.questions} exam questions in {place.folder / 'data'}\n")
    finished = carry_out(Ask("lifecycle", place.recipe, place.environment))
    wrong = _not_as_it_must(finished, "release", State.DONE)
    if not finished.runs[0].exit_code:
        wrong += tell_what_was_found(planted, finished, place.store)
    tell(finished, place.environment)
    if wrong:
        return wrong
    scene.serve()
    wrong += _by_curl(scene)
    return wrong or _window(scene, traffic.tickets(BEFORE, FIRST_WINDOW, seed=11), "wait")


def a_bad_one(scene: Scene) -> list[str]:
    """A candidate from shuffled labels: the gate refuses it, and what serves does not change."""
    place, before = scene.place, scene.place.state
    place.write_data(shuffled=True)
    assignments = (f"resolve.root={place.folder / 'shuffled'}", "train.0.finetune.epochs=1")
    finished = carry_out(Ask("lifecycle", load_recipe(RECIPE, assignments), place.environment))
    tell(finished, place.environment)
    if place.state != before:
        return ["what serves has changed"]
    click.echo(f"what serves has not changed: generation {before.generation}")
    return _not_as_it_must(finished, "release", State.REFUSED)


def the_world_changes(scene: Scene) -> list[str]:
    """Traffic about new products and a renamed queue, corrections, drift, retraining, release, all under load."""
    scene.serve()
    place, before = scene.place, scene.place.state.generation
    place.write_data(changed=True)
    click.echo("two products are new and the queue `access` is called `identity` now")
    with traffic.Load(scene.client, traffic.tickets(AFTER, 200, seed=31), a_second=1) as load:
        wrong = _window(scene, traffic.tickets(AFTER, CHANGED_WINDOW, seed=21), "retrain")
        generation = place.state.generation
        if not wrong and generation == before:
            wrong.append("nothing was released")
        if not wrong:
            seconds = scene.server.wait(generation)
            click.echo(f"traffic moved to generation {generation} after {seconds:.0f} s")
    click.echo(f"requests in the background meanwhile: {len(load.answers)}, lost: {len(load.lost)}")
    wrong += [f"lost: {answer.error}" for answer in load.lost[:3]]
    return wrong or _window(scene, traffic.tickets(AFTER, LAST_WINDOW, seed=41), "wait")


def the_proof(scene: Scene) -> list[str]:
    """The chain is verified; then one byte of a data shard is changed in a copy."""
    place, endpoint = scene.place, scene.place.recipe.served_at
    runs = Runs(Path(place.environment.runs))
    verification = find.verify(endpoint, find.scene_of(place.environment), runs, place.environment.registry)
    click.echo(list(verification.lines())[-1])
    wrong = [] if not verification.exit_code else ["the chain does not hold"]
    copy = place.folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(place.environment.store, copy)
    shard = _a_shard(place)
    click.echo(f"\none byte of {shard} is changed in a copy of the store")
    _flip(copy / shard)
    elsewhere = place.environment.model_copy(update={"store": str(copy)})
    verification = find.verify(endpoint, find.scene_of(elsewhere), runs, "")
    crosses = [line for line in verification.lines() if line.strip().startswith("✗")]
    named = any(shard in line for line in crosses)
    for line in crosses:
        click.echo(line)
        if shard in line:
            break
    click.echo(list(verification.lines())[-1])
    shutil.rmtree(copy)
    return [*wrong, *([] if verification.exit_code and named else ["the changed byte was not found"])]


ACTS = (
    Act(1, "a first model is released and serves", "serves", 150, first_model),
    Act(2, "one from shuffled labels is refused", "refused", 100, a_bad_one),
    Act(3, "the world changes, and the loop follows", "retrained", 210, the_world_changes),
    Act(4, "the proof, and one changed byte", "found", 20, the_proof),
)


def _not_as_it_must(finished: Finished, graph: str, state: State) -> list[str]:
    last: Run = finished.runs[-1]
    return [] if (last.graph, last.state) == (graph, state) else [f"{last.run} is {last.state}, not {state}"]


def _window(scene: Scene, asked: list[Ticket], verdict: str) -> list[str]:
    """Traffic, what agents say of the answers, and what monitoring makes of it."""
    answers = traffic.ask_all(scene.client, asked)
    unheard = traffic.look_at(scene.client, answers, LOOKED_AT, seed=len(asked))
    lost = [answer.error for answer in answers if answer.error]
    right = sum(answer.right for answer in answers)
    click.echo(f"\n{len(answers)} tickets came in, {right} were answered right, lost: {len(lost)}")
    wrong = [*(f"lost: {error}" for error in lost[:3]), *unheard[:3]]
    time.sleep(2 * scene.place.environment.serving.log.seal_seconds)  # until the last row stands in a partition
    finished = carry_out(Ask("monitoring", scene.place.recipe, scene.place.environment))
    tell(finished, scene.place.environment)
    monitoring = finished.runs[0]
    if monitoring.exit_code or bool(monitoring.requests) != (verdict == "retrain"):
        wrong.append(f"monitoring did not come to `{verdict}`: {monitoring.outcome or monitoring.error}")
    if verdict == "retrain" and not wrong:
        wrong += _not_as_it_must(finished, "release", State.DONE) or _not_better(finished.runs[-1], scene.place)
    return wrong


def _not_better(release: Run, place: Place) -> list[str]:
    """The recipe asks for no loss; here the world has changed, and the gate must have found a gain on the exam."""
    gate = next(step for step in release.steps if step.name == "gate")
    evidence = read_evidence(place.store, read_manifest(place.store, gate.outputs["evidence"]))
    whole = next(claim for claim in evidence.claims if claim.kind == "margin" and not claim.slice)
    return [] if whole.low is not None and whole.low > 0 else [f"the gate did not find it better: {whole.text}"]


def _by_curl(scene: Scene) -> list[str]:
    """A question as a person would ask it."""
    ticket = traffic.tickets(BEFORE, 1, seed=5)[0]
    body = json.dumps({"model": scene.client.model, "messages": [{"role": "user", "content": ticket.text}]})
    words = ["curl", "-s", f"http://127.0.0.1:{scene.server.port}/v1/chat/completions"]
    words += ["-H", "content-type: application/json", "-d", body]
    click.echo("$ " + " ".join(word if word.startswith(("curl", "-", "http")) else f"'{word}'" for word in words)
               + ' -H "authorization: Bearer $KEY"')  # fmt: skip
    if shutil.which("curl"):
        words += ["-H", f"authorization: Bearer {scene.key}"]
        click.echo(subprocess.run(words, capture_output=True, text=True, check=False).stdout)
    answer = scene.client.ask(ticket)
    click.echo(f"answer: {answer.text or answer.error}")
    return [answer.error] if answer.error else []


def _a_shard(place: Place) -> str:
    """A shard of the data that what serves was trained on."""
    store, champion = place.store, place.state.champion
    assert champion
    manifest = read_manifest(store, champion)
    while manifest.producer.step != "redact":
        roles = {parent.role: parent for parent in manifest.parents}
        wanted = ("trained", "tokens", "conversations", "documents")
        manifest = read_manifest(store, next(roles[role] for role in wanted if role in roles))
    return manifest.shards[0].uri


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
