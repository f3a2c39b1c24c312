"""Draw ground-truth pictures, to check the judge itself.

    python render_truth.py --out truth --count 200

Writes 00000.png, ... and truth.jsonl: the captions schema plus "image" (file
name) and "truth" (every object with its place, and the background).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shapes.captions import CATEGORIES, sample    # noqa: E402
from shapes.world import render                    # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=500)
    parser.add_argument("--split", choices=("train", "test"), default="test")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / "truth.jsonl").open("w") as lines:
        for i in range(args.count):
            drawn = sample(args.seed, i, args.split, CATEGORIES[i % len(CATEGORIES)])
            name = f"{i:05}.png"
            Image.fromarray(render(drawn.scene)).save(args.out / name)
            truth = {"objects": [item.truth() for item in drawn.scene.objects],
                     "background": drawn.scene.background.truth()}
            lines.write(json.dumps(drawn.constraints | {"image": name, "truth": truth}) + "\n")
    print(f"{args.out}: {args.count} pictures")


if __name__ == "__main__":
    main()
