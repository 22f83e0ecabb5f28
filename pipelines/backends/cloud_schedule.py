"""Schedules that a pipeline service keeps: it starts the runs, and ``cloud_run`` writes down later what it started.

| key in the store | holds |
|---|---|
| `schedules/VERSION.json` | what its runs are asked to do; their ids and moments are the service's |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.core.errors import InvalidInput
from components.core.store import Store
from pipelines.backends.ask import Ask, launch_of, pinned
from pipelines.backends.cloud_run import SCHEDULES, job_of
from pipelines.backends.service import SCHEDULED_AT, ScheduleState, Service, Timetable
from pipelines.code_digest import code_digests
from pipelines.environment import KubeflowEnvironment, VertexEnvironment
from pipelines.timing import parse_timing

if TYPE_CHECKING:
    from pipelines.recipe import RecipeBase


def keep(
    environment: KubeflowEnvironment | VertexEnvironment,
    service: Service,
    recipe: RecipeBase,
    graph: str,
    *,
    cron: str,
    zone: str = "UTC",
    catch_up: bool = False,
) -> ScheduleState:
    """Has the service run a graph again and again; a second call changes the schedule in place.

    The service never runs two at once: what is due while one runs is left out, and the next moment counts. Raises
    InvalidInput for what is no five fields of cron.
    """
    if len(cron.split()) != 5:
        raise InvalidInput(
            f"--every {cron!r}: a pipeline service counts by the clock, not from a beginning; give the five fields of"
            " cron, such as '0 3 * * 1' for Mondays at three"
        )
    parse_timing(cron)
    store = Store(environment.store)
    text, digest = pinned(graph, "", recipe, environment, store)
    asked = launch_of(Ask(graph, recipe, environment, spec=digest), SCHEDULED_AT, 1)
    launch = asked.model_copy(update={"code": code_digests()})
    job = job_of(launch, text, environment)
    state = service.keep(Timetable(f"{recipe.name}-{graph}", cron, zone, job, catch_up))
    # After it, for the service names the version; whoever breaks off in between completes it by the same call again.
    store.write(f"{SCHEDULES}/{state.version}.json", launch.to_bytes())
    return state
