"""Plays a program: notes how it was called, and answers as the plays.json first on the PATH says."""

import json
import os
import sys
from pathlib import Path

name, words = Path(sys.argv[0]).name, sys.argv[1:]
folder = Path(os.environ["PATH"].split(":")[0])
plays = json.loads((folder / "plays.json").read_text())
with (folder / "asked.jsonl").open("a") as log:
    log.write(json.dumps([name, *words]) + "\n")

if name == "sluice":
    print("who can reach what")
    sys.exit(plays["access"])
if name == "terraform":
    step = next(word for word in words if not word.startswith("-"))
    if step == "output":
        print(json.dumps(plays["outputs"]["deployment"]["value"] if words[-1] == "deployment" else plays["outputs"]))
    elif step == "plan":
        Path(next(word for word in words if word.startswith("-out=")).removeprefix("-out=")).write_text("plan")
    elif step == "show":
        print("{}" if "-json" in words else plays.get("plan", "Plan: 1 to add."))
if name == "skopeo" and words[0] == "inspect":
    sys.exit(0 if words[-1].removeprefix("docker://") in plays.get("there", []) else 1)
if name == "gh" and words[:2] == ["run", "list"]:
    print(plays.get("run", ""))
if name == "gh" and words[:2] == ["run", "download"]:
    if "lock" not in plays:
        sys.exit(1)
    (Path(words[words.index("--dir") + 1]) / "images.lock.json").write_text(plays["lock"])
sys.exit(1 if any(word in plays.get("fails", []) for word in (name, *words)) else 0)
