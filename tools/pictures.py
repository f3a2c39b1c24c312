#!/usr/bin/env python3
"""Draws a fixed list of requests and records what came out, so that two builds or two systems can be compared.

    tools/pictures.py record build/release/scalekv pictures.json
    tools/pictures.py compare before.json after.json

A picture is recorded by the SHA-256 of its pixels as PNG filtered them: its text entries do not count. `compare` prints
every request that differs and exits with 1 where one does. Needs Python only.
"""

import hashlib
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import zlib

# Policies that the embedded model's calibration serves, each at three budgets; then one request for each other setting.
POLICIES = ["scalekv", "sliding-window", "streaming-llm", "snapkv", "pyramidkv", "h2o", "hack", "heatkv", "adaptive"]
OTHERS = [
    "--policy full",
    "--policy full --kv bf16",
    "--policy full --kv int8",
    "--policy full --weights bf16",
    "--policy full --weights int8",
    "--policy scalekv --selector attention",
    "--policy scalekv --kv int8 --weights int8",
    "--policy adaptive --kv int8",
    "--policy scalekv --images 3 --batch 2",
    "--policy scalekv --threads 1",
    "--policy scalekv --aspect 4:3",
    "--policy adaptive --aspect 1:2",
    "--policy snapkv --aspect 16:9",
    "--policy full --cfg 1",
    "--policy full --cfg 4 --tau 0.5",
    "--policy full --top-k 1",
    "--policy full --top-p 0",
    "--policy full --guidance-layer 2",
    "--policy full --negative blurry --face-prompt",
]


def requests() -> dict[str, str]:
    """Options by name, in a fixed order."""
    listed = {}
    for policy, budget in itertools.product(POLICIES, ["10%", "4%", "2%"]):
        listed[f"{policy} {budget}"] = f"--policy {policy} --budget {budget}"
    for options in OTHERS:
        listed[options] = options
    return listed


def pixels_sha256(png: pathlib.Path) -> str:
    """Of the filtered rows of a PNG file."""
    data = png.read_bytes()
    rows, at = b"", 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            rows += data[at + 8 : at + 8 + size]
        at += 12 + size
    return hashlib.sha256(zlib.decompress(rows)).hexdigest()


def record(program: str, out: str) -> int:
    recorded = {}
    for number, (name, options) in enumerate(requests().items()):
        with tempfile.TemporaryDirectory() as folder:
            command = [program, "generate", "a red circle above a blue square", "--seed", str(number), "-q"]
            subprocess.run(command + options.split() + ["-o", f"{folder}/p.png"], check=True)
            recorded[name] = [pixels_sha256(png) for png in sorted(pathlib.Path(folder).glob("*.png"))]
    pathlib.Path(out).write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")
    print(f"{len(recorded)} requests recorded in {out}")
    return 0


def compare(before: str, after: str) -> int:
    one, two = (json.loads(pathlib.Path(path).read_text(encoding="utf-8")) for path in (before, after))
    different = [name for name in one if one[name] != two.get(name)]
    for name in different:
        print(f"{name}: {'other pixels' if name in two else 'not drawn'}")
    print(f"{len(one)} requests, {len(different)} differ")
    return 1 if different else 0


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("record", "compare"):
        sys.exit(__doc__)
    sys.exit(record(*sys.argv[2:]) if sys.argv[1] == "record" else compare(*sys.argv[2:]))
