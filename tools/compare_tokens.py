"""Compares `scalekv tokenize` with Hugging Face's fast T5 tokenizer on random odd strings. Exit code 1 where ids differ.

    python tools/compare_tokens.py build/release/scalekv tests/data/text/spiece.model ... [--strings 10000] [--seed 1]

Needs what tools/fixtures/tokenizer_fixtures.py needs. --train FOLDER makes a larger model in T5's manner first (8,000
pieces, trained on the documents of this repository) and compares on it, too. --clusters compares, beside the random
strings, every character behind letters that are rewritten.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "fixtures"))

import sentencepiece                                                       # noqa: E402

from text_prompts import SENTENCES                                         # noqa: E402
from tokenizer_fixtures import ROOT, fast_tokenizer                        # noqa: E402
from tokenizer_prompts import DENSE, RUNS, geneval, random_prompt          # noqa: E402

# Strings of one call; an argument may have 128 KiB, all together 2 MiB.
BATCH = 400


def train(path: Path) -> None:
    lines = SENTENCES + DENSE + geneval() + [text * n for text in RUNS for n in (1, 2, 3, 4, 8, 16)] * 4
    for file in sorted(ROOT.glob("**/*.md")) + sorted(ROOT.glob("src/**/*.cc")):
        lines += [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=8000, model_type="unigram", pad_id=0, eos_id=1,
        unk_id=2, bos_id=-1, hard_vocab_limit=False, num_threads=1, normalization_rule_name="nmt_nfkc", minloglevel=2)
    path.write_bytes(model.getvalue())


def clusters() -> Iterator[str]:
    """Every character but surrogates and NUL behind, and before, letters of one to three bytes that are rewritten."""
    for code in [*range(1, 0xd800), *range(0xe000, 0x30000), *range(0xe0000, 0xe0200)]:
        yield f"x ª{chr(code)} e{chr(code)} x {chr(code)}ª {chr(code)}e x"


def ours(program: str, model: Path, texts: list[str]) -> list[list[int]]:
    call = [program, "tokenize", "--json", "--text-encoder", str(model), "--", *texts]
    reports = json.loads(subprocess.run(call, check=True, capture_output=True).stdout)
    return [report["ids"] for report in (reports if len(texts) > 1 else [reports])]


def compare(program: str, model: Path, texts: Iterator[str]) -> tuple[int, int]:
    tokenizer = fast_tokenizer(model.read_bytes())
    count = different = 0
    while batch := [text for _, text in zip(range(BATCH), texts)]:
        for text, got in zip(batch, ours(program, model, batch), strict=True):
            expected = tokenizer(text, max_length=512, truncation=True).input_ids
            count += 1
            if got != expected:
                different += 1
                if different <= 10:
                    print(f"{model}: {text!r}\n  ours {got}\n  fast {expected}")
    return count, different


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--strings", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--clusters", action="store_true")
    args = parser.parse_args()
    if args.train:
        args.train.mkdir(parents=True, exist_ok=True)
        train(args.train / "spiece.model")
        args.models.append(args.train / "spiece.model")
    failed = 0
    for model in args.models:
        source = random.Random(args.seed)
        texts = (random_prompt(source).replace("\0", "\x01") for _ in range(args.strings))  # no argument holds a NUL
        count, different = compare(args.program, model, texts)
        print(f"{model}: {count} random strings, {different} differ", flush=True)
        failed += different
        if args.clusters:
            count, different = compare(args.program, model, clusters())
            print(f"{model}: {count} strings of clusters, {different} differ", flush=True)
            failed += different
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
