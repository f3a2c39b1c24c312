#!/usr/bin/env python3
"""Checks that a room includes only itself and rooms above it (docs/ARCHITECTURE.md), and how long files are.

Prints one line per breach and exits with 1 where there is one.
"""

import pathlib
import re
import sys

# Top to bottom; each room may use those before it, and the public headers.
ROOMS = [
    "base", "runtime", "kernels", "formats", "model", "text", "vae", "cache", "infinity", "backend", "engine", "dataset",
    "shapes", "study", "distributed", "server", "cli",
]
# Rooms that may not see each other although one stands above the other.
FORBIDDEN = {("vae", "text"), ("cache", "text"), ("cache", "vae")}
MOST_LINES = 400


def main() -> int:
    root = pathlib.Path(__file__).resolve().parent.parent
    breaches = []
    for path in sorted(root.glob("src/*/*")) + sorted(root.glob("include/scalekv/*.h")):
        if path.suffix not in (".cc", ".h"):
            continue
        room = path.parent.name
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > MOST_LINES:
            breaches.append(f"{path.relative_to(root)}: {lines} lines; split it (at most {MOST_LINES})")
        for target in re.findall(r'^#include "(\w+)/', text, re.MULTILINE):
            if target == "scalekv":
                continue
            if room == "scalekv":
                breaches.append(f"{path.relative_to(root)}: a public header includes {target}/")
            elif target not in ROOMS:
                breaches.append(f"{path.relative_to(root)}: includes unknown room {target}/")
            elif ROOMS.index(target) > ROOMS.index(room) or (room, target) in FORBIDDEN:
                breaches.append(f"{path.relative_to(root)}: room {room} includes {target}/, which is not above it")
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
