"""A server on loopback that plays Kubeflow Pipelines' API v2beta1, as far as Sluice uses it.

Each body is held against the models of ``kfp_server_api`` and each graph against the protobuf of ``kfp_pipeline_spec``
and ``kfp.kubernetes``: an unknown field is answered 400 and kept in ``wrong``. It does not imitate: a scheduler (a
recurring run starts one by ``fire``), the workflow (a test sets states and tasks, or ``Cluster`` does), who may do
what, filters other than one predicate on display_name, and other orders than by creation; and it puts CANCELING into a
run's history at once, where the real one waits for its agent's next report. A log that is gone is answered 200 with an
error inside, and a run that has ended, or is ending, is not terminated: as the real server does.
"""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.contract.loopback import Loopback, Wrong, dropped

ROUTES = {
    "healthz": ("GET", r"/apis/v2beta1/healthz"),
    "experiments.create": ("POST", r"/apis/v2beta1/experiments"),
    "experiments.list": ("GET", r"/apis/v2beta1/experiments"),
    "runs.create": ("POST", r"/apis/v2beta1/runs"),
    "runs.list": ("GET", r"/apis/v2beta1/runs"),
    "runs.get": ("GET", r"/apis/v2beta1/runs/([^/:]+)"),
    "runs.terminate": ("POST", r"/apis/v2beta1/runs/([^/:]+):terminate"),
    "recurringruns.create": ("POST", r"/apis/v2beta1/recurringruns"),
    "recurringruns.list": ("GET", r"/apis/v2beta1/recurringruns"),
    "recurringruns.enable": ("POST", r"/apis/v2beta1/recurringruns/([^/:]+):enable"),
    "recurringruns.disable": ("POST", r"/apis/v2beta1/recurringruns/([^/:]+):disable"),
    "recurringruns.delete": ("DELETE", r"/apis/v2beta1/recurringruns/([^/:]+)"),
    "log": ("GET", r"/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log"),
}
MODELS = {"experiments": "V2beta1Experiment", "runs": "V2beta1Run", "recurringruns": "V2beta1RecurringRun"}
IDS = {"experiments": "experiment_id", "runs": "run_id", "recurringruns": "recurring_run_id"}
LISTS = {"experiments": "experiments", "runs": "runs", "recurringruns": "recurringRuns"}
SCHEDULED = "{{$.pipeline_job_schedule_time_utc}}"
QUERY = {"page_size", "page_token", "sort_by", "filter", "namespace", "experiment_id"}


class Refusal(Exception):
    """What the real server does not do as things stand, however well it was asked."""


class Server(Loopback):
    """The fake. ``items`` is all that it holds, by kind and id; a test may change it, as a cluster would."""

    def __init__(self, version: str = "2.17.0", *, multi_user: bool = False) -> None:
        super().__init__()
        self.version, self.multi_user = version, multi_user
        self.items: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in MODELS}
        self.logs: dict[str, str] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.most_enabled, self.page, self._made = 0, 100, 0

    async def answer(self, came: web.Request) -> web.StreamResponse:
        """What the server answers, or a fault."""
        data = await came.read()
        name, names = self._operation(came)
        self.asked.append(name)
        self.headers.append(dict(came.headers))
        fault = self.fault_of(name)
        if fault and isinstance(fault.how, int):
            words = {"code": 13, "message": "the fake was told to say so"}
            return web.json_response(words, status=fault.how, headers=fault.headers)
        if fault and fault.how == "drop before":
            return dropped(came)
        try:
            found = self._done(name, names, dict(came.query), json.loads(data) if data else None)
        except Wrong as error:
            self.wrong.append(f"{name}: {error}")
            return web.json_response({"code": 3, "message": str(error)}, status=400)
        except Refusal as error:
            return web.json_response({"code": 3, "message": str(error)}, status=400)
        except KeyError as error:
            return web.json_response({"code": 5, "message": f"{error} not found"}, status=404)
        except FileExistsError as error:
            return web.json_response({"code": 6, "message": f"{error} exists"}, status=409)
        if fault and fault.how == "drop after":
            return dropped(came)
        if fault:
            await asyncio.sleep(fault.seconds)
        return found if isinstance(found, web.Response) else web.json_response(found)

    def fire(self, moment: str) -> list[str]:
        """Starts a run of each enabled recurring run, as the server's controller does; their names."""
        made = []
        for one in list(self.items["recurringruns"].values()):
            if one["status"] == "ENABLED":
                kept = {key: one[key] for key in ("runtime_config", "experiment_id", "service_account")}
                graph = json.loads(json.dumps(one["pipeline_spec"]).replace(SCHEDULED, moment))
                name = f"scheduled-{len(self.items['runs']) + 1}"
                about = {"display_name": name, "recurring_run_id": one["recurring_run_id"], "scheduled_at": moment}
                self._kept("runs", {**kept, **about, "pipeline_spec": graph})
                made.append(name)
        return made

    def _operation(self, came: web.Request) -> tuple[str, tuple[str, ...]]:
        for name, (method, pattern) in ROUTES.items():
            found = re.fullmatch(pattern, came.path)
            if found and method == came.method:
                return name, found.groups()
        self.wrong.append(f"there is no {came.method} {came.path}")
        raise web.HTTPNotFound

    def _done(self, name: str, names: tuple[str, ...], query: dict[str, str], body: Any) -> Any:
        if name == "healthz":
            return {"commit_sha": "c", "tag_name": self.version, "multi_user": self.multi_user}
        if name == "log":
            gone = json.dumps({"error_message": "no such pod", "error_details": "no such pod"})
            return web.Response(text=self.logs.get(names[1], gone))
        kind, _, verb = name.partition(".")
        if verb == "create":
            return self._create(kind, body)
        if verb == "list":
            return self._list(kind, query)
        item = self.items[kind][names[0]]
        if verb == "delete":
            del self.items[kind][names[0]]
        elif verb in ("enable", "disable"):
            item["status"] = verb.upper() + "D"
            enabled = sum(one["status"] == "ENABLED" for one in self.items["recurringruns"].values())
            self.most_enabled = max(self.most_enabled, enabled)
        elif verb == "terminate":
            if item["state"] not in ("PENDING", "RUNNING", "PAUSED"):  # apiserver/storage/run_store.go
                raise Refusal(f"Failed to terminate a run {names[0]}. Row not found")
            item["state"], item["state_history"] = "CANCELING", [{"state": "CANCELING"}]
        return item if verb == "get" else {}

    def _create(self, kind: str, body: Any) -> Any:
        check_model(MODELS[kind], body)
        if kind == "experiments":
            if any(one["display_name"] == body["display_name"] for one in self.items[kind].values()):
                raise FileExistsError(body["display_name"])
        else:
            assert body["experiment_id"] in self.items["experiments"]
            check_graph(body["pipeline_spec"], body["runtime_config"]["parameters"])
        return self._kept(kind, body)

    def _kept(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        self._made += 1
        number = self._made
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        item = {**body, IDS[kind]: f"{kind}-{number}", "created_at": moment.isoformat()}
        if kind == "runs":
            item["state"] = "PENDING"
        if kind == "recurringruns":
            item["status"] = item.pop("mode") + "D"
            if len(body["trigger"]["cron_schedule"]["cron"].split()) != 6:
                raise Wrong("a cron has six fields")
        self.items[kind][item[IDS[kind]]] = item
        return item

    def _list(self, kind: str, query: dict[str, str]) -> Any:
        if set(query) - QUERY:
            raise Wrong(f"there is no parameter {sorted(set(query) - QUERY)}")
        if ("namespace" in query) != (self.multi_user and "experiment_id" not in query):
            raise Wrong("a namespace is given to a server for many, and to no other")
        found = list(self.items[kind].values())
        if "experiment_id" in query:
            found = [one for one in found if one["experiment_id"] == query["experiment_id"]]
        if "filter" in query:
            document = json.loads(query["filter"])
            check_model("V2beta1Filter", document)
            (predicate,) = document["predicates"]
            value, exact = predicate["string_value"], predicate["operation"] == "EQUALS"
            found = [
                one for one in found if (one[predicate["key"]] == value if exact else value in one[predicate["key"]])
            ]
        start = int(query.get("page_token", "0"))
        answer: dict[str, Any] = {LISTS[kind]: found[start : start + self.page], "total_size": len(found)}
        if start + self.page < len(found):
            answer["next_page_token"] = str(start + self.page)
        return answer


def check_model(name: str, value: Any) -> None:
    """Holds a value against a model of the server's client. Raises Wrong for what it does not have."""
    import kfp_server_api

    if name.startswith("list["):
        for inner in value:
            check_model(name[5:-1], inner)
        return
    if name.startswith("dict(") or name == "object":
        if not isinstance(value, dict):
            raise Wrong(f"{value!r} is no object")
        return
    plain = {"str": str, "bool": bool, "int": int, "datetime": str}.get(name)
    if plain:
        if type(value) is not plain:
            raise Wrong(f"{value!r} is no {name}")
        return
    model = getattr(kfp_server_api, name)
    if not model.openapi_types:
        if value not in model.allowable_values:
            raise Wrong(f"{value!r} is no {name}")
        return
    types = {key: model.openapi_types[field] for field, key in model.attribute_map.items()}
    for key, inner in value.items():
        if key not in types:
            raise Wrong(f"{name} has no field {key}")
        check_model(types[key], inner)


def check_graph(documents: dict[str, Any], parameters: dict[str, Any]) -> None:
    """Holds a graph against its protobuf, and its arguments against its inputs. Raises Wrong."""
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2
    from kfp.pipeline_spec import pipeline_spec_pb2

    spec = documents.get("pipeline_spec", documents)
    try:
        json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
        platform = documents.get("platform_spec", {})
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
        executors = platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
        for config in executors.values():
            json_format.ParseDict(config, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    except json_format.ParseError as error:
        raise Wrong(str(error)) from error
    inputs = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    if set(parameters) - set(inputs):
        raise Wrong(f"the graph has no input {sorted(set(parameters) - set(inputs))}")
    missing = [name for name, one in inputs.items() if name not in parameters and not one.get("isOptional")]
    if missing:
        raise Wrong(f"the graph wants {missing}")
