"""Measure a model file on held-out pictures and draw the model card's figures.

    python report.py --model ../../models/shapes-7s.safetensors --run run --out ../../models

Prints JSON: round-trip PSNR of the tokenizer with hard bits (on all sorts of
scenes), bit accuracy and cross-entropy (nats a bit) of each scale under teacher
forcing (on scenes of the usual style). Writes
samples.png (a strip for fixed prompts) and curve.png (the losses in --run).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reference.generate import generate, next_inputs, sampler      # noqa: E402
from reference.infinity import BlockCausal, rope_table       # noqa: E402
from reference.model_file import ModelFile, load_model             # noqa: E402
from reference.quantizer import quantize                           # noqa: E402
from reference.schedule import SCHEDULE_7, SQUARE_1M               # noqa: E402
from reference.vae import to_bytes, to_model_range                 # noqa: E402
from shapes.captions import Sample, sample                         # noqa: E402
from shapes.usual import sample_usual                              # noqa: E402
from shapes.world import render                                    # noqa: E402
from train.common import psnr, save_grid                           # noqa: E402
from train.text import Tokenizer                                   # noqa: E402

PROMPTS = (
    "a red ring", "a large blue circle", "a green star", "a yellow square on a gray background",
    "a small black cross", "a large purple triangle", "a white star on a brown background",
    "an orange square",
    "a red ring above a blue square", "a blue square left of a green cross",
    "three green stars", "two purple circles", "a red circle and a green square",
    "an orange triangle below a white square", "three red squares", "two black rings",
)


def drawn(samples: list[Sample]) -> Iterator[tuple[torch.Tensor, list[str]]]:
    """Pictures [8, H, W, 3] and captions."""
    for start in range(0, len(samples), 8):
        part = samples[start:start + 8]
        yield torch.from_numpy(np.stack([render(s.scene) for s in part])), [s.caption for s in part]


@torch.no_grad()
def measure_tokenizer(model: ModelFile, samples: list[Sample]) -> dict:
    """Round trip with hard bits."""
    quality = []
    for pictures, _ in drawn(samples):
        total, _ = quantize(model.vae.encode(to_model_range(pictures)), SCHEDULE_7)
        quality.append(psnr(pictures, to_bytes(model.vae.decode(total))))
    every = torch.cat(quality)
    return {"psnr_mean": round(float(every.mean()), 2), "psnr_min": round(float(every.min()), 2)}


@torch.no_grad()
def measure_transformer(model: ModelFile, samples: list[Sample]) -> dict:
    """Teacher-forced, by scale."""
    tokenizer = Tokenizer(model.spiece)
    sizes = [h * w for h, w in SCHEDULE_7]
    table = rope_table(SCHEDULE_7, SQUARE_1M[-1], model.gpt.config.head_size)
    right, entropy = [], []
    for pictures, captions in drawn(samples):
        _, bits = quantize(model.vae.encode(to_model_range(pictures)), SCHEDULE_7)
        ids, present = tokenizer.batch(captions)
        logits = model.gpt(next_inputs(bits, SCHEDULE_7), model.t5(ids, present), present, table,
                           BlockCausal(sizes))
        gap = logits[..., 1] - logits[..., 0]                        # [B, L, d]
        target = torch.cat([b.flatten(1, 2) for b in bits], 1)
        right.append(((gap > 0) == target).float().mean((0, 2)))
        entropy.append(F.binary_cross_entropy_with_logits(gap, target.float(), reduction="none").mean((0, 2)))

    def by_scale(rows: list[torch.Tensor]) -> list[float]:
        return [round(float(p.mean()), 4) for p in torch.stack(rows).mean(0).split(sizes)]

    return {"bit_accuracy": by_scale(right), "cross_entropy": by_scale(entropy)}


@torch.no_grad()
def draw_samples(model: ModelFile, seed: int, cfg: float, tau: float, top_p: float) -> np.ndarray:
    ids, present = Tokenizer(model.spiece).batch(PROMPTS)
    latents, _ = generate(model.gpt, model.t5(ids, present), present, SCHEDULE_7,
                          sampler(seed, top_p, SCHEDULE_7), cfg, tau)
    return to_bytes(model.vae.decode(latents)).numpy()


def draw_curve(log: Path, out: Path, width: int = 640, height: int = 240) -> None:
    """Training loss over minutes; red where all tokens were trained on."""
    rows = [r for r in map(json.loads, log.read_text().splitlines()) if "loss" in r]
    picture = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    left, bottom, top = 44, height - 26, 10
    longest, highest = max(r["seconds"] for r in rows), max(r["loss"] for r in rows)
    lowest = min(r["loss"] for r in rows) * 0.9

    def place(row: dict) -> tuple[float, float]:
        x = left + (width - left - 10) * row["seconds"] / longest
        return x, bottom - (bottom - top) * (row["loss"] - lowest) / (highest - lowest)

    for k in range(5):
        value = lowest + (highest - lowest) * k / 4
        y = bottom - (bottom - top) * k / 4
        pen.line((left, y, width - 10, y), fill=(225, 225, 225))
        pen.text((6, y - 6), f"{value:.2f}", fill="black")
    for minute in range(0, int(longest / 60) + 1, 10 if longest < 6000 else 30):
        pen.text((left + (width - left - 10) * minute * 60 / longest, bottom + 6),
                 f"{minute} min", fill="black")
    for a, b in zip(rows, rows[1:]):
        pen.line((*place(a), *place(b)), fill=(200, 60, 40) if b["whole"] else (40, 80, 200), width=2)
    picture.save(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="folder with transformer-log.jsonl")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--pictures", type=int, default=64, help="held-out pictures to measure on")
    parser.add_argument("--seed", type=int, default=700)
    parser.add_argument("--cfg", type=float, help="guidance (default: the model's)")
    parser.add_argument("--tau", type=float, help="temperature (default: the model's)")
    parser.add_argument("--top-p", type=float, help="default: the model's")
    args = parser.parse_args()
    model = load_model(args.model)
    chosen = dict(model.config["defaults"])
    for key in ("cfg", "tau", "top_p"):
        if getattr(args, key) is not None:
            chosen[key] = getattr(args, key)
    args.out.mkdir(parents=True, exist_ok=True)
    save_grid(draw_samples(model, 1, chosen["cfg"], chosen["tau"], chosen["top_p"]),
              args.out / "samples.png", columns=8)
    if args.run:
        draw_curve(args.run / "transformer-log.jsonl", args.out / "curve.png")
    if args.pictures:
        every = range(args.pictures)
        print(json.dumps({
            "pictures": args.pictures, "seed": args.seed,
            **measure_tokenizer(model, [sample(args.seed, i, "test") for i in every]),
            **measure_transformer(model, [sample_usual(args.seed, i, "test") for i in every])}))


if __name__ == "__main__":
    main()
