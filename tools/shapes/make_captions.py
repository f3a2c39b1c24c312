"""Write the held-out captions with the constraints a judge checks (JSONL).

    python make_captions.py --out ../../models/shapes-test-captions.jsonl

No caption here occurs in training: either its wording is reserved for testing,
or it asks for a combination that training never shows ("unseen": true).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shapes.captions import (CATEGORIES, HELD_OUT_COMBINATIONS,      # noqa: E402
                             HELD_OUT_SHAPE_PAIRS, sample)

# Share of captions with an unseen combination, where a category can have one.
UNSEEN_SHARE = {"colour": 0.2, "two": 0.25, "position": 0.25, "attribution": 0.25, "count": 0.15}


def states_unseen(constraints: dict) -> bool:
    """Whether the words themselves, not only the drawn scene, are unseen."""
    shapes = {o["shape"] for o in constraints["objects"]}
    return (any((o["shape"], o["colour"]) in HELD_OUT_COMBINATIONS for o in constraints["objects"])
            or any(pair <= shapes for pair in HELD_OUT_SHAPE_PAIRS))


def captions(seed: int, total: int) -> list[dict]:
    """`total` different captions, the categories in turn."""
    rows: list[dict] = []
    prompts: set[str] = set()
    index = 0
    while len(rows) < total:
        category = CATEGORIES[len(rows) % len(CATEGORIES)]
        turn = len(rows) // len(CATEGORIES)
        share = UNSEEN_SHARE.get(category, 0.0)
        unseen = int((turn + 1) * share) > int(turn * share)
        row = sample(seed, index, "test", category, unseen).constraints
        index += 1
        if row["prompt"] in prompts or states_unseen(row) != unseen:
            continue
        prompts.add(row["prompt"])
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="JSONL file to write")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=300)
    args = parser.parse_args()
    rows = captions(args.seed, args.count)
    args.out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    unseen = sum(row["unseen"] for row in rows)
    print(f"{args.out}: {len(rows)} captions, {unseen} with unseen combinations")


if __name__ == "__main__":
    main()
