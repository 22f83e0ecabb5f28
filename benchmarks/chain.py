"""Prints the seconds that a step takes in a chain of steps that do nothing but import what every step imports."""

import sys
import tempfile
import time
from pathlib import Path

from kfp import compiler, dsl

from pipelines.backends.kfp_local import Limits, Watch, run_graph

STEPS = 10


@dsl.component(base_image="python", install_kfp_package=False)
def idle(word: str) -> str:
    import components.core.step  # noqa: F401

    return word


@dsl.pipeline(name="chain")
def chain() -> None:
    word = "begin"
    for _ in range(STEPS):
        word = idle(word=word).set_caching_options(False).output


def main() -> None:
    """Compiles and runs the chain in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        compiler.Compiler().compile(chain, str(root / "graph.yaml"))
        watch = Watch(
            started=lambda _task: None,
            finished=lambda _task: None,
            log=lambda name: root / f"{name}.log",
            limits=lambda _title: Limits(seconds=60),
            may_hit=lambda _task, _outputs: True,
        )
        begun = time.perf_counter()
        if not run_graph((root / "graph.yaml").read_text(), {}, root=root, watch=watch):
            sys.exit("the chain failed")
        print((time.perf_counter() - begun) / STEPS)


if __name__ == "__main__":
    main()
