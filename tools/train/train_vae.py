"""Train the image tokenizer on the shapes world.

First random 64x64 crops (five scales), then whole 128x128 pictures (seven).
Writes vae.pt (resumable: start again with the same --out), vae-log.jsonl and
sheets of reconstructions. Example:

    python train_vae.py --out run --minutes 28
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reference.quantizer import quantize                                    # noqa: E402
from reference.schedule import SCHEDULE_5, SCHEDULE_7                        # noqa: E402
from reference.vae import Vae, VaeConfig, to_bytes, to_model_range           # noqa: E402
from shapes.captions import sample                                           # noqa: E402
from shapes.world import GRID, PICTURE_SIZE, render                          # noqa: E402
from train.common import (AveragedWeights, Clock, append_log, cosine_rate,   # noqa: E402
                          psnr, save_atomically, save_grid)

CROP = 64


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and logs")
    parser.add_argument("--minutes", type=float, default=28, help="training time in all")
    parser.add_argument("--whole-from", type=float, default=0.55,
                        help="share of the time after which whole pictures are used")
    parser.add_argument("--pictures", type=int, default=8000, help="training pictures to draw")
    parser.add_argument("--seed", type=int, default=20, help="seed of world, weights and crops")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--bits", type=int, default=16, help="bits a token")
    parser.add_argument("--base", type=int, default=32, help="channels at full resolution")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def draw(seed: int, count: int, split: str) -> Tensor:
    """[N, 128, 128, 3] uint8"""
    return torch.from_numpy(np.stack([render(sample(seed, i, split).scene) for i in range(count)]))


def crop(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Crops stay on the token grid, as whole pictures do."""
    steps = (PICTURE_SIZE - CROP) // GRID + 1
    corners = rng.integers(0, steps, size=(len(pictures), 2)) * GRID
    return torch.stack([p[y:y + CROP, x:x + CROP] for p, (y, x) in zip(pictures, corners)])


def round_trip(vae: Vae, x: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Reconstruction, commitment loss and bits, with straight-through gradients."""
    schedule = SCHEDULE_7 if x.shape[-1] == PICTURE_SIZE else SCHEDULE_5
    with torch.autocast("cpu", torch.bfloat16):
        latent = vae.encode(x)
    latent = latent.float()
    total, bits = quantize(latent.detach(), schedule)
    # The decoder sees the codes; the encoder gets the decoder's gradient as it is,
    # and the commitment term keeps its output where the codes can reach it.
    commitment = (latent - total).square().mean()
    with torch.autocast("cpu", torch.bfloat16):
        y = vae.decode(latent + (total - latent).detach())
    return y.float(), commitment, bits


def picture_loss(y: Tensor, x: Tensor) -> Tensor:
    """Squared and absolute error, and the same for differences of neighbours."""
    error = y - x
    dx = error[..., :, 1:] - error[..., :, :-1]
    dy = error[..., 1:, :] - error[..., :-1, :]
    edges = dx.abs().mean() + dy.abs().mean()
    return error.square().mean() + 0.1 * error.abs().mean() + 0.2 * edges


@torch.no_grad()
def evaluate(state: dict[str, Tensor], config: VaeConfig, pictures: Tensor, sheet: Path) -> dict:
    vae = Vae(config)
    vae.load_state_dict(state)
    outputs, used = [], []
    for part in pictures.split(16):
        latent = vae.encode(to_model_range(part))
        total, bits = quantize(latent, SCHEDULE_7)
        outputs.append(to_bytes(vae.decode(total)))
        used.append(torch.cat([b.flatten(0, 2) for b in bits]).float())
    result = torch.cat(outputs)
    both = torch.stack([pictures[:12], result[:12]], 1).flatten(0, 1)
    save_grid(both.numpy(), sheet, columns=8)
    share = torch.cat(used).mean(0)            # how often each bit is one
    return {"psnr": round(float(psnr(pictures, result).mean()), 3),
            "bit_share_min": round(float(share.min()), 3),
            "bit_share_max": round(float(share.max()), 3)}


def main() -> None:
    args = parse_arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    torch.set_flush_denormal(True)      # near-zero moments would slow the optimiser
    config = VaeConfig(codebook=args.bits, base=args.base)
    vae = Vae(config)
    optimiser = torch.optim.AdamW(vae.parameters(), lr=args.rate, betas=(0.9, 0.98),
                                  weight_decay=1e-4)
    average = AveragedWeights(vae, 0.998)
    step, seen, elapsed = 0, 0, 0.0
    checkpoint = args.out / "vae.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=False)
        vae.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        average.shadow = saved["average"]
        step, seen, elapsed = saved["step"], saved["seen"], saved["elapsed"]
    pictures = draw(args.seed, args.pictures, "train")
    held_out = draw(args.seed, 96, "test")
    rng = np.random.default_rng([args.seed, step])
    clock = Clock(args.minutes * 60, elapsed)
    next_report, next_evaluation = clock.elapsed + 30, clock.elapsed + 150
    running: list[float] = []

    def save(final: bool) -> None:
        save_atomically({"model": vae.state_dict(), "optimiser": optimiser.state_dict(),
                         "average": average.shadow, "config": config, "step": step,
                         "seen": seen, "elapsed": clock.elapsed, "final": final}, checkpoint)

    while clock.progress < 1.0:
        whole = clock.progress >= args.whole_from
        batch = pictures[torch.from_numpy(rng.integers(0, len(pictures), size=4 if whole else 8))]
        if not whole:
            batch = crop(batch, rng)
        x = to_model_range(batch)
        y, commitment, _ = round_trip(vae, x)
        loss = picture_loss(y, x) + 0.25 * commitment
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = cosine_rate(args.rate, clock.progress, step, warmup_steps=100)
        optimiser.step()
        average.update(vae, step)
        step, seen = step + 1, seen + len(batch)
        running.append(float(F.mse_loss(y.detach(), x)))
        if clock.elapsed >= next_report:
            next_report += 30
            append_log(args.out / "vae-log.jsonl", {
                "seconds": round(clock.elapsed), "step": step, "seen": seen, "whole": whole,
                "mse": round(float(np.mean(running)), 5),
                "train_psnr": round(10 * float(np.log10(4 / np.mean(running))), 2),
                "commit": round(float(commitment.detach()), 4)})
            running.clear()
        if clock.elapsed >= next_evaluation:
            next_evaluation += 240
            save(False)
            row = evaluate(average.state_for(vae), config, held_out, args.out / "vae-sheet.png")
            append_log(args.out / "vae-log.jsonl", {"seconds": round(clock.elapsed), **row})
    save(True)
    row = evaluate(average.state_for(vae), config, held_out, args.out / "vae-sheet.png")
    append_log(args.out / "vae-log.jsonl", {"seconds": round(clock.elapsed), "final": True, **row})


if __name__ == "__main__":
    main()
