"""Which images there are, and what each is meant to weigh."""

from __future__ import annotations

from dataclasses import dataclass

from components.core.errors import InvalidInput, did_you_mean

LIGHT_STEP = ("python", "-c", "import kfp.dsl.executor_main; import components.core.step")


@dataclass(frozen=True)
class Image:
    """An image: a folder of ``containers/`` with a Dockerfile and a lock."""

    name: str
    stage: str = ""
    """The stage of ``components/`` whose code is in it besides core's; empty for none."""
    core: bool = True
    whole: bool = False
    """Whether all code is in it, with the locks: graphs are compiled from that, and code digests taken of it."""
    torch: bool = False
    """Whether it takes torch, for a CPU or for CUDA, as the build says."""
    base: str = "python"
    budget_mb: int = 0
    """What it may take unpacked (10⁶ bytes), with torch for a CPU; 0 where nothing is promised."""
    start: tuple[str, ...] = LIGHT_STEP
    """What the image's entry point is given to end as soon as it has started, by which the start-up is measured."""

    @property
    def logical(self) -> str:
        """What components call it."""
        return f"sluice/{self.name}"

    @property
    def code_paths(self) -> tuple[str, ...]:
        """What of the checkout is copied into it."""
        if self.whole:
            return ("components", "pipelines", "locks")
        core = ("components/__init__.py", "components/core") if self.core else ()
        return (*core, f"components/{self.stage}") if self.stage else core


IMAGES = {
    image.name: image
    for image in (
        Image("data", stage="data", budget_mb=1_200),
        Image("train", stage="train", torch=True, budget_mb=2_500),
        Image("evaluate", stage="evaluate", torch=True, budget_mb=1_500),
        Image("release", stage="release"),
        Image("monitor", stage="monitor"),
        Image("dispatch", whole=True, start=("sluice", "--help")),
        Image("statistics", start=("python", "-c", "import kfp.dsl.executor_main")),
        Image("serve", stage="serve", budget_mb=250, start=("python", "-c", "import components.serve.gateway.server")),
        Image("server", core=False, base="vllm"),
        Image("envoy", core=False, start=("--version",)),
    )
}


def images(names: tuple[str, ...]) -> list[Image]:
    """The images of these names, all for none. Raises InvalidInput where there is no such image."""
    for name in names:
        if name not in IMAGES:
            raise InvalidInput(
                f"there is no image {name!r}{did_you_mean(name, IMAGES)}; there are: {', '.join(IMAGES)}"
            )
    return [IMAGES[name] for name in names] if names else list(IMAGES.values())
