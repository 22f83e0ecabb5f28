from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.core.decision import DecisionKind, Permits, Reason, Verdict, keep_decision
from components.core.endpoint import EndpointState
from components.core.errors import Conflict, InvalidInput, Refused
from components.core.manifest import Manifest
from components.core.signing import read_decision, sign
from components.core.store import Store
from components.core.trust import read_trust
from pipelines import endpoint_changes
from pipelines.endpoint_changes import break_glass, endpoints_of, freeze, thaw
from pipelines.environment import LocalEnvironment
from pipelines.keys import key_address, kinds, new_key
from pipelines.models import find_model
from tests.core.keyring import Keyring

WHY = {"name": "anna", "reason": "launch week"}


def state_of(environment: LocalEnvironment, endpoint: str = "helpdesk") -> EndpointState:
    return endpoints_of(environment).read(endpoint)


# Freeze and thaw.


def test_a_freeze_is_a_signed_decision_that_is_kept_and_what_serves_goes_on(environment, serving: Manifest) -> None:
    change = freeze(environment, "helpdesk", **WHY)
    state = state_of(environment)
    assert (state.generation, state.champion, state.frozen) == (2, serving.named, change.decision.id)
    kept = read_decision(Store(environment.store), change.decision.id, read_trust(environment.trust))
    assert (kept.kind, kept.signer, kept.reasons[0].text) == (DecisionKind.FREEZE, "anna", "launch week")
    assert kept.expires_at - kept.issued_at == timedelta(hours=1)


def test_a_thaw_lets_the_next_one_through(environment, serving: Manifest, add_model) -> None:
    freeze(environment, "helpdesk", **WHY)
    state = thaw(environment, "helpdesk", name="anna", reason="over").state
    assert (state.generation, state.frozen, state.champion) == (3, "", serving.named)


def test_what_is_frozen_is_not_frozen_again_and_no_decision_is_left_behind(environment, serving: Manifest) -> None:
    first = freeze(environment, "helpdesk", **WHY).decision.id
    decisions = Store(environment.store).list("decisions")
    with pytest.raises(Refused, match=f"helpdesk: is frozen already, by decision {first[:12]}"):
        freeze(environment, "helpdesk", **WHY)
    assert Store(environment.store).list("decisions") == decisions
    assert state_of(environment).generation == 2


def test_what_is_not_frozen_is_not_thawed(environment, serving: Manifest) -> None:
    with pytest.raises(Refused, match="helpdesk: is not frozen"):
        thaw(environment, "helpdesk", **WHY)


@pytest.mark.parametrize("reason", ["", "  ", "\n\t"])
def test_nobody_changes_anything_without_saying_why(environment, serving: Manifest, reason: str) -> None:
    for change in (freeze, thaw):
        with pytest.raises(InvalidInput, match="--reason: is empty"):
            change(environment, "helpdesk", name="anna", reason=reason)
    with pytest.raises(InvalidInput, match="--reason: is empty"):
        break_glass(environment, "helpdesk", serving.key, name="anna", reason=reason)
    assert state_of(environment).generation == 1


def test_an_unknown_name_gets_the_nearest(environment, serving: Manifest) -> None:
    with pytest.raises(InvalidInput, match=r"ana has no active key; did you mean anna\?"):
        freeze(environment, "helpdesk", name="ana", reason="x")


def test_who_may_not_is_refused_before_anything_is_signed(environment, serving: Manifest) -> None:
    new_key(environment, "ben", signs=kinds("approval"))
    decisions = Store(environment.store).list("decisions")
    for change in (freeze, thaw):
        with pytest.raises(Refused, match="ben may sign approval, and this is a decision of kind"):
            change(environment, "helpdesk", name="ben", reason="x")
    with pytest.raises(Refused, match="release may sign gate, release"):
        freeze(environment, "helpdesk", name="release", reason="x")
    assert Store(environment.store).list("decisions") == decisions


def test_a_key_that_others_can_read_freezes_nothing(environment, serving: Manifest) -> None:
    Path(".sluice/keys/anna.pem").chmod(0o640)
    with pytest.raises(InvalidInput, match="others can read it"):
        freeze(environment, "helpdesk", **WHY)
    assert state_of(environment).generation == 1


def test_a_key_that_is_gone_gets_a_sentence(environment, serving: Manifest) -> None:
    Path(".sluice/keys/anna.pem").unlink()
    with pytest.raises(InvalidInput, match=r"anna.pem: there is none"):
        freeze(environment, "helpdesk", **WHY)


def test_a_typing_error_freezes_no_endpoint_that_nobody_has(environment, serving: Manifest) -> None:
    for change, hint in ((freeze, "say --unused"), (thaw, "`sluice endpoints` lists")):
        with pytest.raises(InvalidInput, match=rf"helpdsek: nobody has used it yet; did you mean helpdesk\?; .*{hint}"):
            change(environment, "helpdsek", **WHY)
    assert endpoints_of(environment).names() == ["helpdesk"]


def test_an_endpoint_is_frozen_before_its_first_use_when_that_is_meant(environment, add_model) -> None:
    state = freeze(environment, "payments", **WHY, unused=True).state
    assert (state.generation, state.champion, bool(state.frozen)) == (1, None, True)
    assert thaw(environment, "payments", **WHY).state.generation == 2
    with pytest.raises(InvalidInput, match="cannot be a name"):
        freeze(environment, "Pay ments", **WHY, unused=True)


def test_an_environment_without_endpoints_says_what_to_add(environment) -> None:
    with pytest.raises(InvalidInput, match="add `endpoints: sqlite:///PATH`"):
        freeze(environment.model_copy(update={"endpoints": ""}), "helpdesk", **WHY)


def test_of_two_who_freeze_at_once_one_does(environment, serving: Manifest) -> None:
    script = (
        "import sys\nfrom pipelines.environment import load_environment\n"
        "from pipelines.endpoint_changes import freeze\n"
        "from components.core.errors import SluiceError\n"
        "try:\n    freeze(load_environment('local'), 'helpdesk', name='anna', reason=sys.argv[1])\n"
        "except SluiceError as error:\n    sys.exit(int(error.exit_code))\n"
    )
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    running = [subprocess.Popen([sys.executable, "-c", script, f"by {number}"], env=path) for number in range(2)]
    codes = sorted(process.wait() for process in running)
    assert codes[0] == 0
    assert set(codes[1:]) <= {3, 5}
    assert [state.generation for state in endpoints_of(environment).history("helpdesk")] == [1, 2]


def test_who_is_overtaken_between_look_and_change_is_told(
    environment, serving: Manifest, add_model, monkeypatch
) -> None:
    carry_out = endpoint_changes.carry_out

    def overtaken(*given, **named):
        monkeypatch.setattr(endpoint_changes, "carry_out", carry_out)
        freeze(environment, "helpdesk", name="anna", reason="first")
        thaw(environment, "helpdesk", name="anna", reason="and off again")
        break_glass(environment, "helpdesk", other.key, name="anna", reason="and another")
        return carry_out(*given, **named)

    other, mine = add_model("other"), add_model("mine")
    monkeypatch.setattr(endpoint_changes, "carry_out", overtaken)
    with pytest.raises(Conflict, match="was made against"):
        break_glass(environment, "helpdesk", mine.key, name="anna", reason="late")
    assert state_of(environment).champion == other.named


# Breaking the glass.


def test_a_broken_glass_lets_a_model_serve_and_says_what_was_skipped(environment, serving: Manifest, add_model) -> None:
    model = add_model("hotfix")
    change = break_glass(environment, "helpdesk", model.content_digest[:8], name="anna", reason="outage 4711")
    assert (change.state.champion, change.state.previous) == (model.named, serving.named)
    decision = read_decision(Store(environment.store), change.decision.id, read_trust(environment.trust))
    assert (decision.kind, decision.permits) == (DecisionKind.BREAK_GLASS, Permits.CHAMPION)
    assert (decision.subject, decision.incumbent) == (model.named, serving.digest)
    assert decision.reasons[0].text == "outage 4711"
    said = " ".join(change.skipped)
    for skipped in ("the gate: nobody compared it with what serves", "word of the people", "model card"):
        assert skipped in said


def test_it_goes_through_a_freeze_says_whose_and_leaves_it(environment, serving: Manifest, add_model) -> None:
    frozen = freeze(environment, "helpdesk", **WHY).decision.id
    change = break_glass(environment, "helpdesk", add_model("hotfix").digest[:10], name="anna", reason="outage")
    assert change.state.frozen == frozen
    assert any("the freeze: anna on" in line and "launch week" in line for line in change.skipped)


FAILED = Reason(code="gain_not_shown", claim="exam: gain 0", text="exam: gain 0: the difference is -3.00 points")
HELD = Reason(code="floor_holds", claim="exam: floor 0.25", text="exam: floor 0.25: the score is 90.0%", holds=True)


def decided(place: LocalEnvironment, model: Manifest, **fields) -> None:
    """Keeps a release's decision about a model: a refusal, unless the fields say something else."""
    trust, now = read_trust(place.trust), datetime.now(UTC)
    given = {"subject": model.named, "verdict": Verdict.REFUSE, "permits": Permits.NOTHING, "reasons": (HELD, FAILED)}
    given |= {"issued": now.isoformat(), "expires": (now + timedelta(hours=1)).isoformat()}
    decision = Keyring(Path()).decision(trust.active_key("release"), **{**given, **fields})
    keep_decision(Store(place.store), decision, sign(decision, key_address(place, "release"), trust))


def test_it_says_what_the_gate_said_of_this_model_and_what_serves(environment, serving: Manifest, add_model) -> None:
    model = add_model("worse")
    decided(environment, model, incumbent=serving.digest)
    gate, *others = break_glass(environment, "helpdesk", model.key, name="anna", reason="all the same").skipped
    assert gate.startswith(f"the gate, which compared it with what serves ({serving.digest[:12]}…) on ")
    assert gate.endswith(": refuse: exam: gain 0: the difference is -3.00 points")
    assert not any("refuse" in line for line in others), "it is told once"


def test_it_says_that_the_gate_passed_what_was_never_released(environment, serving: Manifest, add_model) -> None:
    model = add_model("late")
    decided(environment, model, incumbent=serving.digest, verdict=Verdict.PASS, permits=Permits.CHAMPION)
    gate, *_ = break_glass(environment, "helpdesk", model.key, name="anna", reason="it expired").skipped
    assert gate.endswith(": pass: exam: floor 0.25: the score is 90.0%")


@pytest.mark.parametrize(
    ("incumbent", "then"), [("", "it held it against a floor on"), ("f" * 64, "it compared it with ffffffffffff… on")]
)
def test_a_comparison_with_something_else_is_none_with_what_serves_and_is_told_as_what_it_was(
    environment, serving: Manifest, add_model, incumbent: str, then: str
) -> None:
    model = add_model("worse")
    decided(environment, model, incumbent=incumbent)
    gate, *others = break_glass(environment, "helpdesk", model.key, name="anna", reason="all the same").skipped
    assert gate.startswith(f"the gate: nobody compared it with what serves ({serving.digest[:12]}…); {then} ")
    assert gate.endswith(f": refuse: {FAILED.text}")
    assert not any("refuse" in line for line in others)


def test_of_what_the_gate_said_the_comparison_with_what_serves_counts_and_the_rest_is_told_besides(
    environment, serving: Manifest, add_model
) -> None:
    model, later = add_model("worse"), datetime.now(UTC) + timedelta(minutes=1)
    decided(environment, model, incumbent=serving.digest)
    decided(environment, model, incumbent="f" * 64, reasons=(), issued=later.isoformat())
    gate, *others = break_glass(environment, "helpdesk", model.key, name="anna", reason="all the same").skipped
    assert gate.startswith("the gate, which compared it with what serves")
    assert any("what release said of it on" in line and "refuse: without a reason" in line for line in others)


def test_where_nothing_serves_the_gate_would_have_asked_for_a_floor(environment, add_model) -> None:
    unknown, refused = add_model("unknown"), add_model("worse")
    decided(environment, refused)
    given = {"name": "anna", "reason": "the first one", "unused": True}
    assert (
        break_glass(environment, "payments", unknown.key, **given).skipped[0].endswith("nobody held it against a floor")
    )
    said = break_glass(environment, "helpdesk", refused.key, **given).skipped[0]
    assert said.startswith("the gate, which held it against a floor on ")
    assert said.endswith(f": refuse: {FAILED.text}")


def test_that_it_served_once_is_no_comparison(environment, serving: Manifest, add_model) -> None:
    model = add_model("former")
    decided(environment, model, incumbent=model.digest, verdict=Verdict.SERVES, reasons=())
    gate, *_ = break_glass(environment, "helpdesk", model.key, name="anna", reason="back to it").skipped
    assert gate == f"the gate: nobody compared it with what serves ({serving.digest[:12]}…)"


def test_a_decision_of_another_environment_says_nothing_here(environment, serving: Manifest, add_model) -> None:
    model = add_model("worse")
    decided(environment, model, incumbent=serving.digest, environment="elsewhere")
    skipped = break_glass(environment, "helpdesk", model.key, name="anna", reason="all the same").skipped
    assert "nobody compared it" in skipped[0]
    assert not any("refuse" in line for line in skipped)


def test_what_serves_already_needs_no_broken_glass(environment, serving: Manifest) -> None:
    with pytest.raises(Refused, match="serves already"):
        break_glass(environment, "helpdesk", serving.digest, name="anna", reason="x")


def test_a_broken_glass_holds_for_an_hour(environment, serving: Manifest, add_model) -> None:
    change = break_glass(environment, "helpdesk", add_model("hotfix").key, name="anna", reason="x")
    assert change.decision.expires_at - change.decision.issued_at == timedelta(hours=1)


def test_a_model_of_which_a_byte_was_changed_does_not_serve(environment, serving: Manifest, add_model) -> None:
    model = add_model("hotfix")
    path = Path(environment.store) / model.shards[-1].uri
    path.write_bytes(path.read_bytes()[:-1] + b"X")  # same length: only a hash can tell
    with pytest.raises(InvalidInput, match="was changed after it was written"):
        break_glass(environment, "helpdesk", model.key, name="anna", reason="x")
    path.unlink()
    with pytest.raises(InvalidInput, match="there is no export/"):
        break_glass(environment, "helpdesk", model.content_digest, name="anna", reason="x")
    assert state_of(environment).champion == serving.named


def test_of_two_copies_of_a_model_the_whole_one_is_taken(environment, serving: Manifest, add_model) -> None:
    copies = [add_model("hotfix"), add_model("hotfix")]
    broken, whole = sorted(copies, key=lambda model: model.key)
    (Path(environment.store) / broken.shards[0].uri).unlink()
    change = break_glass(environment, "helpdesk", whole.content_digest[:12], name="anna", reason="x")
    assert change.state.champion == whole.named


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("0" * 8, "is no model in"),
        ("abc", "is no model in .*at least 6 first digits"),
        ("", "is no model in"),
        ("latest", "is no model in"),
        ("export/nowhere/exported/manifest.json", "is no model in"),
        ("../../etc/manifest.json", "leaves the store"),
    ],
)
def test_a_name_of_no_model_gets_a_sentence(environment, serving: Manifest, name: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        break_glass(environment, "helpdesk", name, name="anna", reason="x")


def test_an_artifact_that_is_no_model_does_not_serve(environment, serving: Manifest, commit_texts) -> None:
    texts = commit_texts("a text")
    shutil.copytree("store", environment.store, dirs_exist_ok=True)
    with pytest.raises(InvalidInput, match="is the key of documents"):
        break_glass(environment, "helpdesk", texts.key, name="anna", reason="x")


def test_digits_that_two_models_begin_with_are_not_enough(
    environment, serving: Manifest, add_model, monkeypatch
) -> None:
    add_model("hotfix")
    monkeypatch.setattr("pipelines.models.FEWEST_DIGITS", 0)
    with pytest.raises(InvalidInput, match="2 models begin so; write more of it"):
        find_model(Store(environment.store), "")


def test_a_damaged_manifest_elsewhere_does_not_stop_an_emergency(environment, serving: Manifest, add_model) -> None:
    model = add_model("hotfix")
    Store(environment.store).write("export/broken/exported/manifest.json", b"{")
    assert break_glass(environment, "helpdesk", model.digest[:8], name="anna", reason="x").state.champion == model.named


def test_the_registry_follows_and_one_that_is_away_is_told(
    environment, serving: Manifest, add_model, monkeypatch
) -> None:
    seen = []
    monkeypatch.setattr(
        endpoint_changes, "project_aliases", lambda address, state, store: seen.append(state.champion) or "is away"
    )
    change = break_glass(environment, "helpdesk", add_model("hotfix").key, name="anna", reason="x")
    assert (seen, change.behind) == ([change.state.champion], "is away")


# The command line.


def test_an_incident_on_the_command_line(environment, serving: Manifest, add_model, sluice) -> None:
    model, why = add_model("hotfix"), ("--as", "anna", "--reason", "outage 4711")
    code, out, _ = sluice("freeze", "helpdesk", *why)
    assert (code, "helpdesk: frozen by anna" in out) == (0, True)
    assert sluice("freeze", "helpdesk", *why)[0] == 3
    assert "FROZEN" in sluice("endpoints")[1]
    code, out, loud = sluice("break-glass", "helpdesk", model.content_digest[:8], *why)
    assert code == 0
    assert f"{model.digest[:12]}… serves from generation 3" in out
    assert "GLASS BROKEN on helpdesk by anna. Skipped:" in loud
    assert "the freeze: anna on" in loud
    assert sluice("thaw", "helpdesk", *why)[0] == 0
    state = json.loads(sluice("endpoints", "helpdesk", "--json")[1])
    assert (state["generation"], state["frozen"], state["champion"]["digest"]) == (4, "", model.digest)
    code, out, _ = sluice("audit", "helpdesk")
    assert code == 0
    assert out.count("BREAK-GLASS by anna") == 2
    assert out.endswith("4 decisions, all of them hold\n")


def test_json_says_what_was_decided_and_what_should_serve(environment, serving: Manifest, add_model, sluice) -> None:
    words = ("--as", "anna", "--reason", "x", "--json")
    out = json.loads(sluice("break-glass", "helpdesk", add_model("hotfix").key, *words)[1])
    assert out["state"]["decision"] == out["decision"]
    assert len(out["skipped"]) == 3
    assert json.loads(sluice("freeze", "helpdesk", *words)[1])["state"]["generation"] == 3


def test_before_the_first_release_there_is_nothing_to_show(environment, sluice) -> None:
    code, out, complaint = sluice("endpoints")
    assert (code, out, "no endpoints yet" in complaint) == (0, "", True)
    assert sluice("endpoints", "--json")[:2] == (0, "[]\n")
    assert sluice("audit")[:2] == (0, "0 decisions, all of them hold\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("freeze", "helpdesk", "--as", "anna"), 2, "Missing option '--reason'"),
        (("freeze", "helpdesk", "--as", "anna", "--reason", ""), 2, "--reason: is empty"),
        (("freeze", "helpdesk", "--as", "anne", "--reason", "x"), 2, "did you mean anna?"),
        (("freeze", "helpdsek", "--as", "anna", "--reason", "x"), 2, "did you mean helpdesk?"),
        (("thaw", "helpdesk", "--as", "anna", "--reason", "x"), 3, "is not frozen"),
        (("break-glass", "helpdesk", "ffffffff", "--as", "anna", "--reason", "x"), 2, "is no model in"),
        (("endpoints", "helpdsek"), 2, "did you mean helpdesk?"),
        (("audit", "helpdsek"), 2, "did you mean helpdesk?"),
        (("audit", "--env", "nowhere"), 2, "there is no such environment"),
    ],
)
def test_bad_input_on_the_command_line_is_a_sentence(
    environment, serving: Manifest, sluice, words: tuple, code: int, said: str
) -> None:
    found, out, complaint = sluice(*words)
    assert (found, out) == (code, "")
    assert said in complaint
