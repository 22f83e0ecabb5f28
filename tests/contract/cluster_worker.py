"""One job of a ``Cluster`` in a process of its own: runs a compiled graph and prints what happens, in JSON lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pipelines.backends.kfp_local import Limits, TaskRun, Watch, run_graph


def main(folder: Path) -> int:
    """Runs ``job.json`` of a job's folder; KFP's cache lies beside it and is shared by all jobs."""
    job = json.loads((folder / "job.json").read_text())

    def say(event: str, task: TaskRun) -> None:
        artifacts = {
            name: {"name": name, "metadata": dict(value.metadata)}
            for name, value in task.outputs.items()
            if hasattr(value, "metadata")
        }
        about = {"task": task.name, "cached": task.cached, "succeeded": task.succeeded, "artifacts": artifacts}
        print(json.dumps({"event": event, "attempts": task.attempts, **about}), flush=True)

    def may_hit(task: TaskRun, outputs: dict[str, Any]) -> bool:
        return bool(job["use_cache"].get(task.name, True))

    watch = Watch(
        lambda task: say("started", task),
        lambda task: say("finished", task),
        lambda name: folder / f"{name}.log",
        lambda title: Limits(),
        may_hit,
    )
    return 0 if run_graph(job["text"], job["arguments"], root=folder.parent / "kfp", watch=watch) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
