#!/usr/bin/env python3
"""How the divergence of one cache policy compares with the best other one's: ratio and 95% interval, by budget.

Reads the log of `scalekv evaluate` (samples.jsonl). Both means are taken over the same prompts, drawn with replacement.
"""

import argparse
import collections
import json

import numpy as np

RESAMPLES, SEED = 20_000, 0


def read_divergence(path: str) -> dict:
    """{budget: {policy: KL of every prompt, in the prompts' order}}, without the full cache."""
    found = collections.defaultdict(lambda: collections.defaultdict(dict))
    with open(path, encoding="utf-8") as log:
        next(log)  # what the evaluation is of
        for line in log:
            sample = json.loads(line)
            if sample["policy"] != "full":
                found[sample["budget"]][sample["policy"]][sample["prompt"]] = sample["kl"]
    return {
        budget: {policy: np.array([kl[prompt] for prompt in sorted(kl)]) for policy, kl in policies.items()}
        for budget, policies in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log")
    parser.add_argument("--policy", default="adaptive")
    arguments = parser.parse_args()
    for budget, policies in sorted(read_divergence(arguments.log).items(), reverse=True):
        mine = policies.pop(arguments.policy)
        best = min(policies, key=lambda policy: policies[policy].mean())
        other = policies[best]
        assert len(mine) == len(other), "an evaluation that is not finished"
        drawn = np.random.default_rng(SEED).integers(0, len(mine), (RESAMPLES, len(mine)))
        low, high = np.percentile(mine[drawn].mean(1) / other[drawn].mean(1), [2.5, 97.5])
        ratio = mine.mean() / other.mean()
        print(f"{budget:.0%} of the cache: {ratio:.3f} [{low:.3f}, {high:.3f}] times {best}, {len(mine)} prompts")


if __name__ == "__main__":
    main()
