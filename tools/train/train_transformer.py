"""Train the transformer and its text encoder on the frozen tokenizer's bits.

    python train_transformer.py --out run --minutes 60
    python train_transformer.py --out run --minutes 60 --start ../../models/shapes-7s.safetensors

The folder holds vae.pt of train_vae.py, or --start names a model file whose
weights, tokenizer and vocabulary are taken over. Writes transformer.pt
(resumable at any moment: start again with the same --out),
transformer-log.jsonl and sheets of samples.

For most of the time a random part of the tokens of the two last scales is
left out, which halves the work; the rate is constant, then falls to zero.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reference.generate import generate, sampler                             # noqa: E402
from reference.infinity import BlockCausal, rope_table                       # noqa: E402
from reference.schedule import SCHEDULE_7, SQUARE_1M                         # noqa: E402
from reference.vae import to_bytes                                           # noqa: E402
from shapes.usual import sample_usual                                        # noqa: E402
from train.batches import Batch, Pool, encode, make_batch                    # noqa: E402
from train.common import (AveragedWeights, Clock, append_log, save_atomically,   # noqa: E402
                          save_grid, trapezoid_rate)
from train.muon import Muon, is_hidden_matrix                                # noqa: E402
from train.reading import Reading                                            # noqa: E402
from train.start import TextToImage, begin, load_vae                         # noqa: E402
from train.text import Tokenizer                                             # noqa: E402

PROMPTS = (
    "a red ring", "a large blue circle", "a green star", "a yellow square on a gray background",
    "a red ring above a blue square", "a blue square left of a green star",
    "three green stars", "two purple circles",
    "a red circle and a green cross", "an orange triangle below a white square",
    "a small black cross", "a white star on a brown background",
    "three red squares", "a purple star to the right of a yellow ring",
    "a picture of a black triangle and a red circle", "an orange circle",
)
ALL = [1.0] * 7
# Share of each scale's tokens that is trained on.
SOME = [1.0, 1.0, 1.0, 0.7, 0.5, 0.35, 0.22]
# The layout is in the first scales, which cost little and decide most: many more pictures for them.
COARSE = [1.0, 1.0, 1.0]
SCALE_WEIGHT = [2.0, 3.0, 5.0, 7.0, 9.0, 11.0, 12.0]
COARSE_PART = 32              # pictures of them computed at once
READ = 64                     # captions a step and process that the text encoder is asked about
HELD_OUT = 16                                  # pictures


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and logs")
    parser.add_argument("--start", type=Path, help="model file to begin with")
    parser.add_argument("--blocks", type=int, nargs="+", help="blocks of --start to keep (default: all)")
    parser.add_argument("--new-text", action="store_true",
                        help="a new vocabulary and text encoder instead of --start's")
    parser.add_argument("--minutes", type=float, default=60, help="training time in all")
    parser.add_argument("--falling", type=float, default=0.35,
                        help="share of the time, at the end, in which the rates fall to zero")
    parser.add_argument("--whole", type=float, default=0.05,
                        help="share of the time, at the end, with all tokens")
    parser.add_argument("--batch", type=int, default=8, help="pictures a step")
    parser.add_argument("--coarse", type=int, default=128,
                        help="more pictures a step, of which the first three scales are trained on")
    parser.add_argument("--coarse-weight", type=float, default=1.0,
                        help="weight of their loss, where the other pictures' loss has 1")
    parser.add_argument("--reading-weight", type=float, default=0.1,
                        help="weight of the text encoder's lesson, see reading.py")
    parser.add_argument("--part", type=int, default=4, help="pictures computed at once")
    parser.add_argument("--fresh", type=int, default=4, help="new pictures a step")
    parser.add_argument("--pool", type=int, default=8000, help="newest pictures a process draws from")
    parser.add_argument("--first", type=int, default=3000,
                        help="pictures a process encodes before its first step: few would be learnt by heart")
    parser.add_argument("--rate", type=float, default=1e-3, help="AdamW's rate")
    parser.add_argument("--muon-rate", type=float, default=0.015, help="Muon's rate")
    parser.add_argument("--flip", type=float, default=0.15, help="largest share of flipped bits")
    parser.add_argument("--average", type=float, default=0.985, help="decay of the averaged weights")
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--pieces", type=int, default=192, help="largest vocabulary")
    parser.add_argument("--seed", type=int, default=50, help="seed of world, weights and noise")
    parser.add_argument("--processes", type=int, default=2, help="each takes a part of the batch")
    return parser.parse_args()


class Trainer:
    """One of the processes. All hold the same weights; rank 0 also writes files."""

    def __init__(self, args: argparse.Namespace, rank: int) -> None:
        self.args, self.rank = args, rank
        self.vae = load_vae(args.out / "vae.pt")
        self.checkpoint = args.out / "transformer.pt"
        saved = torch.load(self.checkpoint, weights_only=False)
        self.tokenizer = Tokenizer(saved["tokenizer"])
        self.model = TextToImage(saved["t5_config"], saved["config"])
        self.model.load_state_dict(saved["model"])
        self.average = AveragedWeights(self.model, args.average)
        self.reading = Reading(saved["t5_config"].width, self.tokenizer, args.seed + 1000 + rank)
        self.muon = Muon(self.model)
        self.adam = torch.optim.AdamW(
            [*(p for k, p in self.model.named_parameters() if not is_hidden_matrix(k, p)),
             *self.reading.parameters()],
            lr=args.rate, betas=(0.9, 0.98), weight_decay=0.0)
        if saved["average"] is not None:
            self.average.shadow = saved["average"]
            self.muon.load_state_dict(saved["muon"])
            self.adam.load_state_dict(saved["adam"])
            self.reading.load_state_dict(saved["reading"])
        self.step = saved["step"]
        self.reading.next = self.step * READ
        self.clock = Clock(args.minutes * 60, saved["elapsed"])
        self.rope = rope_table(SCHEDULE_7, SQUARE_1M[-1], saved["config"].head_size)
        self.scale_weight = torch.tensor(SCALE_WEIGHT) / sum(SCALE_WEIGHT)

    def save(self) -> None:
        if self.rank == 0:
            save_atomically({
                "model": self.model.state_dict(), "average": self.average.shadow,
                "muon": self.muon.state_dict(), "adam": self.adam.state_dict(), "reading": self.reading.state_dict(),
                "tokenizer": self.tokenizer.model, "t5_config": self.model.t5.config,
                "config": self.model.gpt.config, "step": self.step,
                "elapsed": self.clock.elapsed, "settings": vars(self.args)}, self.checkpoint)

    def average_gradients(self) -> None:
        """The mean over all processes, in one message."""
        parameters = [*self.model.parameters(), *self.reading.parameters()]
        for p in parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        if self.args.processes == 1:
            return
        gradients = [p.grad for p in parameters]
        flat = torch.cat([g.flatten() for g in gradients])
        distributed.all_reduce(flat)
        flat /= self.args.processes
        parts = flat.split([g.numel() for g in gradients])
        torch._foreach_copy_(gradients, [p.view_as(g) for p, g in zip(parts, gradients)])

    def agreed_progress(self) -> float:
        """Rank 0's clock decides, so that no process stops alone."""
        value = torch.tensor([self.clock.progress])
        if self.args.processes > 1:
            distributed.broadcast(value, 0)
        return float(value)

    def losses(self, model: TextToImage, batch: Batch, captions: list[str], drop: Tensor | None
               ) -> list[Tensor]:
        """Cross-entropy of each scale, nats a bit."""
        ids, text_mask = self.tokenizer.batch(captions)
        text = model.t5(ids, text_mask)                                  # [B, N, T]
        if drop is not None:                                             # the blank condition
            blank = model.gpt.cfg_uncond[:ids.shape[1]][None]
            text = torch.where(drop[:, None, None], blank, text)
        rope = self.rope[:, batch.places][:, :, None]                    # [2, B, 1, L, D/2]
        logits = model.gpt(batch.inputs, text, text_mask, rope, BlockCausal(batch.sizes))
        each = F.binary_cross_entropy_with_logits(logits[..., 1] - logits[..., 0], batch.targets,
                                                  reduction="none")
        return [part.mean() for part in each.split(batch.sizes, dim=1)]

    def part_losses(self, pool: Pool, rng: np.random.Generator, generator: torch.Generator,
                    count: int, shares: list[float]) -> Tensor:
        """Losses of the scales, for `count` pictures."""
        latents, captions = pool.draw(rng, count)
        batch = make_batch(latents, self.args.flip, shares, generator)
        drop = torch.from_numpy(rng.random(count) < 0.1)
        return torch.stack(self.losses(self.model, batch, captions, drop))

    def train_step(self, pool: Pool, rng: np.random.Generator, generator: torch.Generator,
                   progress: float) -> list[float]:
        """Losses of the scales, and of reading."""
        args = self.args
        share = args.batch // args.processes
        pool.grow(args.fresh // args.processes)
        shares = ALL if progress > 1 - args.whole else SOME
        self.model.zero_grad(set_to_none=True)
        self.reading.zero_grad(set_to_none=True)
        total = torch.zeros(len(SCHEDULE_7))
        # Small parts keep the activations of a layer in the processor's cache.
        for _ in range(0, share, args.part):
            losses = self.part_losses(pool, rng, generator, args.part, shares)
            ((losses * self.scale_weight).sum() * (args.part / share)).backward()
            total += losses.detach() * (args.part / share)
        weight = self.scale_weight[:len(COARSE)] / self.scale_weight[:len(COARSE)].sum()
        share = args.coarse // args.processes
        for first in range(0, share, COARSE_PART):
            part = min(COARSE_PART, share - first)
            losses = self.part_losses(pool, rng, generator, part, COARSE)
            ((losses * weight).sum() * (args.coarse_weight * part / share)).backward()
        reading = self.reading(self.model.t5, READ)
        (reading * args.reading_weight).backward()
        self.average_gradients()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        rate = trapezoid_rate(progress, self.step, warmup_steps=40, falling=args.falling)
        self.adam.param_groups[0]["lr"] = rate * args.rate
        self.adam.step()
        self.muon.step(rate * args.muon_rate)
        self.average.update(self.model, self.step)
        self.step += 1
        return [*total.tolist(), reading.item()]

    @torch.no_grad()
    def evaluate(self, held_out: tuple[Tensor, list[str]]) -> list[float]:
        """Cross-entropy of each scale on held-out pictures, and a sheet of samples."""
        model = TextToImage(self.model.t5.config, self.model.gpt.config).eval()
        model.load_state_dict(self.average.state_for(self.model))
        latents, captions = held_out
        batch = make_batch(latents, 0.0, ALL, torch.Generator().manual_seed(0))
        losses = self.losses(model, batch, captions, None)
        ids, text_mask = self.tokenizer.batch(PROMPTS)
        drawn, _ = generate(model.gpt, model.t5(ids, text_mask), text_mask, SCHEDULE_7,
                            sampler(1, 0.97, SCHEDULE_7), cfg=1.5, tau=0.5)
        save_grid(to_bytes(self.vae.decode(drawn)).numpy(), self.args.out / "samples.png", 8)
        return [round(float(x), 4) for x in losses]

    def fill(self, pool: Pool) -> None:
        """The first pictures; encoding them takes minutes, so an interrupted run finds them on disk."""
        kept = self.args.out / f"pictures-{self.rank}.pt"
        if kept.exists():
            pool.latents, pool.captions = torch.load(kept, weights_only=False)
        pool.grow(self.args.first - len(pool.latents))
        save_atomically((pool.latents, pool.captions), kept)

    def run(self) -> None:
        args = self.args
        # Each process draws a different world, by its seed.
        pool = Pool(self.vae, args.seed + self.rank, self.step * args.fresh, args.pool)
        self.fill(pool)
        held = [sample_usual(args.seed, i, "test") for i in range(HELD_OUT)] if self.rank == 0 else []
        held_out = (encode(self.vae, held), [s.caption for s in held]) if held else None
        self.clock = Clock(self.clock.budget, self.clock.already)     # encoding is not training
        rng = np.random.default_rng([args.seed, self.rank, self.step])
        generator = torch.Generator().manual_seed(args.seed * 1009 + self.rank * 7 + self.step)
        next_report, next_save, next_sheet = (self.clock.elapsed + x for x in (30, 120, 900))
        recent: list[list[float]] = []
        log = args.out / "transformer-log.jsonl"
        while (progress := self.agreed_progress()) < 1.0:
            recent.append(self.train_step(pool, rng, generator, progress))
            if self.rank != 0:
                continue
            if self.clock.elapsed >= next_report:
                next_report = self.clock.elapsed + 30
                *by_scale, reading = np.mean(recent, axis=0)
                append_log(log, {"seconds": round(self.clock.elapsed), "step": self.step,
                                 "whole": progress > 1 - args.whole,
                                 "loss": round(float(np.dot(by_scale, self.scale_weight.numpy())), 4),
                                 "by_scale": [round(float(x), 4) for x in by_scale],
                                 "reading": round(float(reading), 4)})
                recent.clear()
            if self.clock.elapsed >= next_save:
                next_save = self.clock.elapsed + 120
                self.save()
            if held_out and self.clock.elapsed >= next_sheet:
                next_sheet = self.clock.elapsed + 900
                append_log(log, {"seconds": round(self.clock.elapsed), "step": self.step,
                                 "held_out": self.evaluate(held_out)})
        self.save()
        if held_out:
            append_log(log, {"seconds": round(self.clock.elapsed), "step": self.step, "final": True,
                             "held_out": self.evaluate(held_out)})


def work(rank: int, args: argparse.Namespace, meeting_point: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    torch.set_flush_denormal(True)      # near-zero moments would slow the optimiser
    if args.processes > 1:
        distributed.init_process_group("gloo", init_method=f"file://{meeting_point}", rank=rank,
                                       world_size=args.processes)
    Trainer(args, rank).run()
    if args.processes > 1:
        distributed.destroy_process_group()


def main() -> None:
    args = parse_arguments()
    if args.batch % (args.processes * args.part):
        raise SystemExit("--batch must be a multiple of --processes times --part")
    args.out.mkdir(parents=True, exist_ok=True)
    if not (args.out / "transformer.pt").exists():
        begin(args)
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(work, args=(args, f"{folder}/meeting"), nprocs=args.processes)


if __name__ == "__main__":
    main()
