"""A made-up run of the lifecycle and of the release that it asked for, as real ones look."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from components.core.canonical import sha256
from components.core.manifest import Parent, Reference, Shard
from components.core.report import Cost, Example, Figure, Report, Rows, Series, StepError
from components.core.run import Run, State, StepRun
from components.evaluate.benchmark.scores import Tally
from pipelines.page.findings import Finding

START = datetime(2026, 11, 24, 8, 55, 3, tzinfo=UTC)
NASTY = "<script>document.title='broken'</script> {{$.x}} {{ 7*7 }} 🙂 \"quoted\" & " + "unbroken" * 40
LIFECYCLE = "lifecycle-helpdesk-4f1c2a9be07d"
RELEASE = "release-helpdesk-91d3ab77c05e"

AFTER = {
    "resolve": (),
    "ingest": ("resolve",),
    "validate": ("ingest",),
    "curate": ("validate",),
    "deduplicate": ("curate",),
    "redact": ("deduplicate",),
    "split": ("redact",),
    "suites": ("split", "resolve"),
    "decontaminate": ("split", "suites"),
    "format": ("decontaminate",),
    "base": ("format",),
    "tokenise": ("format", "base"),
    "finetune": ("tokenise", "base"),
    "export": ("finetune", "base"),
    "request": ("export", "suites", "decontaminate"),
}
SECONDS = {
    "resolve": 0.31, "ingest": 1.9, "validate": 6.4, "curate": 1.1, "deduplicate": 4.8, "redact": 1.6, "split": 2.2,
    "suites": 0.6, "decontaminate": 1.5, "format": 0.8, "base": 3.2, "tokenise": 1.4, "finetune": 78.3,
    "export": 2.1, "request": 0.2, "benchmark": 21.7,
}  # fmt: skip
INPUTS = {
    "validate": ["documents"], "curate": ["validated"], "deduplicate": ["curated"], "redact": ["deduplicated"],
    "split": ["redacted"], "suites": ["held_out"], "decontaminate": ["train", "suites"],
    "format": ["decontaminated"], "base": ["conversations"], "tokenise": ["conversations", "model"],
    "finetune": ["tokens", "model"], "export": ["trained", "model"], "benchmark": ["exported", "suites", "overlap"],
}  # fmt: skip


def lifecycle() -> tuple[Run, dict[str, Report]]:
    """A run of the lifecycle in which everything went well."""
    reports = _reports()
    steps = _steps(reports)
    cost = Cost(wall_seconds=109.2, cpu_seconds=171.4, peak_memory_bytes=1_310_000_000)
    return _run(LIFECYCLE, "lifecycle", steps, cost, requests=(sha256("request"),)), reports


def release() -> tuple[Run, dict[str, Report]]:
    """The release that the lifecycle asked for."""
    report = _benchmark()
    step = _step("benchmark", (), START + timedelta(seconds=118), report)
    run = _run(RELEASE, "release", (step,), Cost(wall_seconds=21.7, cpu_seconds=38.0), start=117.0)
    return run.model_copy(update={"asked_by": sha256("request")}), {"benchmark": report}


def failed() -> tuple[Run, dict[str, Report]]:
    """The lifecycle again, broken in decontaminate."""
    run, reports = lifecycle()
    message = (
        "decontaminate: 4102 of 4310 rows were rejected (4102 exam_question), more than max_reject_share = 0.5 allows;"
        f" mend the source, or raise decontaminate.max_reject_share in the recipe; first: {NASTY}"
    )
    names = [step.name for step in run.steps]
    broken = names.index("decontaminate")
    steps = [_broken(step, index - broken, message) for index, step in enumerate(run.steps)]
    told = {name: reports[name] for name in names[:broken]}
    told["decontaminate"] = Report(
        step="decontaminate", attempt="a", started=START.isoformat(), error=StepError(exit_code=2, message=message)
    )
    changed = {"state": State.FAILED, "exit_code": 2, "error": f"decontaminate: {message}", "steps": tuple(steps)}
    return run.model_copy(update={**changed, "requests": ()}), told


def findings() -> list[Finding]:
    """What was planted and found, all of it."""
    planted = {"curate": {"too_short": 214, "few_letters": 41}, "redact": {"email": 118}, "gone": {"unknown_step": 1}}
    return [
        Finding(step=step, kind=kind, planted=count, found=count)
        for step, kinds in planted.items()
        for kind, count in kinds.items()
    ]


def waiting() -> Run:
    """A run that has just begun: no step has a time or a report."""
    run, _ = lifecycle()
    steps = tuple(StepRun(name=step.name, after=step.after) for step in run.steps)
    return run.model_copy(update={"steps": steps, "state": State.RUNNING, "ended": "", "cost": Cost(), "requests": ()})


def _broken(step: StepRun, after: int, message: str) -> StepRun:
    if after < 0:
        return step
    if after > 0:
        return StepRun(name=step.name, title=step.title, after=step.after, state=State.SKIPPED)
    changed: dict[str, Any] = {"state": State.FAILED, "error": message, "exit_code": 2, "outputs": {}, "rows_out": None}
    return step.model_copy(update=changed)


def _run(
    name: str, graph: str, steps: tuple[StepRun, ...], cost: Cost, start: float = 0, requests: tuple[str, ...] = ()
) -> Run:
    began = START + timedelta(seconds=start)
    last = steps[-1]
    ended = datetime.fromisoformat(last.started) + timedelta(seconds=last.seconds + 0.4)
    return Run(
        run=name, graph=graph, backend="local", recipe="helpdesk", recipe_digest=sha256("recipe"), environment="local",
        environment_digest=sha256("environment"), spec=sha256(graph), now=START.isoformat(), state=State.DONE,
        code={"core": sha256("core"), "data": sha256("data"), "train": sha256("train")},
        started=began.isoformat(), ended=ended.isoformat(), steps=steps, cost=cost, requests=requests,
    )  # fmt: skip


def _steps(reports: dict[str, Report]) -> tuple[StepRun, ...]:
    at, steps = START + timedelta(seconds=0.6), []
    for name, after in AFTER.items():
        steps.append(_step(name, after, at, reports[name], cached=name in ("ingest", "validate")))
        at += timedelta(seconds=steps[-1].seconds + 0.1)
    return tuple(steps)


def _step(name: str, after: tuple[str, ...], at: datetime, report: Report, cached: bool = False) -> StepRun:
    rows = report.rows
    return StepRun(
        name=name, title=name.capitalize(), after=after, state=State.DONE, cached=cached, attempts=1,
        started=at.isoformat(), seconds=0.04 if cached else SECONDS[name], rows_in=rows.in_ + rows.created,
        rows_out=sum(rows.out.values()), rejected=sum(rows.rejected.values()), report=f"{name}/a/report.json",
        outputs=report.outputs, key={"settings": sha256(f"{name} settings"), "code": sha256(f"{name} code")},
    )  # fmt: skip


def _reports() -> dict[str, Report]:
    rows = {
        "ingest": Rows(created=6240, out={"documents": 6229}, rejected={"not_utf8": 3, "broken_json": 8}),
        "validate": Rows(
            in_=6229, out={"validated": 6187}, rejected={"meta.completion_be_json_parseable": 31, "null_byte": 11}
        ),
        "curate": Rows(
            in_=6187,
            out={"curated": 5790},
            rejected={
                "too_short": 214, "too_many_symbols": 77, "few_letters": 41, "repeated_word": 52, "too_long": 9,
                "boilerplate": 3, "wrong_language": 1,
            },
        ),
        "deduplicate": Rows(in_=5790, out={"deduplicated": 5012}, merged=778),
        "redact": Rows(in_=5012, out={"redacted": 5010}, rejected={"nothing_left": 2}),
        "split": Rows(in_=5010, out={"train": 4310, "held_out": 700}),
        "suites": Rows(in_=700, created=20, out={"suites": 720}),
        "decontaminate": Rows(
            in_=4310, out={"decontaminated": 4221}, rejected={"exam_question": 61, "shared_13_gram": 28}
        ),
        "format": Rows(in_=4221, out={"conversations": 4221}),
        "tokenise": Rows(in_=4221, out={"tokens": 4221}),
    }  # fmt: skip
    made = {"resolve": {}, "base": {"model": 0}, "finetune": {"trained": 0}, "export": {"exported": 0}, "request": {}}
    made |= {name: dict(told.out) for name, told in rows.items()}
    made["decontaminate"] = {**made["decontaminate"], "overlap": 0}
    extra = {"deduplicate": _deduplicate(), "redact": _redact(), "finetune": _finetune(), "tokenise": _tokenise()}
    return {name: _report(name, rows.get(name, Rows()), list(made[name]), **extra.get(name, {})) for name in AFTER}


def _report(name: str, rows: Rows, made: list[str], **more: Any) -> Report:
    seconds = SECONDS[name]
    return Report(
        step=name,
        attempt="a",
        started=START.isoformat(),
        rows=rows,
        cost=Cost(
            wall_seconds=seconds, cpu_seconds=round(seconds * 1.6, 2), peak_memory_bytes=int(2e8 + 1.4e7 * seconds)
        ),
        timings={"read": round(seconds / 5, 2), "work": round(seconds / 2, 2)},
        inputs=tuple(
            Parent(role=role, digest=sha256(role), content_digest=sha256(f"{role} content"))
            for role in INPUTS.get(name, [])
        ),
        outputs={
            role: Reference(key=f"{name}/a/{role}", digest=sha256(role), content_digest=sha256(f"{role} content"))
            for role in made
        },
        rejects=(Shard(uri=f"{name}/a/rejects/0", sha256="", rows=1, bytes=1),) if rows.rejected else (),
        **more,
    )


def _deduplicate() -> dict[str, Any]:
    pair = Example(
        title="near-duplicate, Jaccard 0.91",
        before="The printer on floor 3 is jammed again, tray two, since this morning.",
        after="The printer on floor 3 is jammed again, tray two, since 9 this morning.",
    )
    return {
        "figures": {
            "clusters": Figure(value=611, unit="clusters"),
            "exact": Figure(value=402, unit="documents"),
            "near": Figure(value=376, unit="documents"),
        },
        "examples": (pair, Example(title="text that looks like markup", before=NASTY, after=NASTY)),
    }


def _redact() -> dict[str, Any]:
    shown = Example(
        title="an address and a number",
        before="Please call me on +44 20 7946 0958 or write to ann@example.org",
        after="Please call me on [PHONE] or write to [EMAIL]",
    )
    return {
        "figures": {
            "emails": Figure(value=118, unit="addresses"),
            "phones": Figure(value=96, unit="numbers"),
            "redacted": Figure(value=201, unit="documents"),
        },
        "examples": (shown,),
    }


def _tokenise() -> dict[str, Any]:
    return {
        "figures": {"tokens": Figure(value=402_118, unit="tokens"), "truncated": Figure(value=0.0031, unit="share")}
    }


def _finetune() -> dict[str, Any]:
    steps = range(1, 529)
    loss = [4.6 * math.exp(-step / 60) + 0.11 + 0.05 * math.sin(step * 1.7) * math.exp(-step / 300) for step in steps]
    rate = [3e-3 * min(1, step / 50) * (1 - step / 560) for step in steps]
    return {
        "figures": {
            "tokens_per_second": Figure(value=11_240.4, unit="tokens/s"),
            "parameters": Figure(value=651_392, unit="parameters"),
            "final_loss": Figure(value=loss[-1], unit="nats/token"),
        },
        "series": {
            "learning_rate": Series(x=tuple(steps), y=tuple(rate), x_unit="steps", y_unit=""),
            "loss": Series(x=tuple(steps), y=tuple(loss), x_unit="steps", y_unit="nats/token"),
            "tokens_per_second": Series(
                x=tuple(range(10, 529, 10)), y=tuple(11_000 + 400 * math.sin(x / 37) for x in range(10, 529, 10)),
                x_unit="steps", y_unit="tokens/s",
            ),
        },
    }  # fmt: skip


def _benchmark() -> Report:
    share = {"unit": "share"}
    wrong = '{"product":"printer","priority":"high"}\n\nexpected: {"product":"printer","priority":"low"}'
    return _report(
        "benchmark",
        Rows(created=720, out={"answers": 720}),
        ["answers"],
        figures={
            "held_out": Figure(value=0.9243, low=0.9023, high=0.9417, **share),
            "held_out_without_near_duplicates": Figure(value=0.9187, low=0.8951, high=0.9373, **share),
            "held_out/network outage": Figure(value=0.71, low=0.5662, high=0.8216, **share),
            "held_out/printer": Figure(value=0.82, low=0.6923, high=0.9023, **share),
            "held_out/" + "a-slice-with-a-very-long-name" * 3: Figure(value=0.86, low=0.7381, high=0.9305, **share),
            "policy_quiz": Tally(right=13, asked=20).figure(),
            "policy_quiz_without_near_duplicates": Figure(value=0.65, low=0.4329, high=0.8188, **share),
            "asked": Figure(value=720, unit="questions"),
            "kept": Figure(value=0, unit="answers"),
        },
        examples=(
            Example(title="held_out: wrong", before="user: The printer prints stripes.", after=wrong, good=False),
            Example(title="held_out: wrong", before=f"user: {NASTY}", after=f"{NASTY}\n\nexpected: no", good=False),
            Example(
                title="held_out: right",
                before="user: I cannot reach the intranet since the move, the cable is plugged in.",
                after='{"product":"network","priority":"high"}',
                good=True,
            ),
            Example(
                title="policy_quiz: right",
                before="system: Answer with one of the choices.\nuser: Who may reset another person's password?",
                after="The service desk",
                good=True,
            ),
        ),
    )  # fmt: skip
