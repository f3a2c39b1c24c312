"""Train the transformer and its text encoder on the frozen tokenizer's bits.

First the coarse scales only (121 tokens), then all seven (521). Latents are
computed once and kept in latents-*.pt. Writes transformer.pt (resumable: start
again with the same --out), transformer-log.jsonl and sheets of samples.

    python train_transformer.py --out run --minutes 60
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reference.generate import generate, next_inputs, sampler                # noqa: E402
from reference.infinity import (BlockCausal, Infinity, InfinityConfig,       # noqa: E402
                                rope_table)
from reference.quantizer import quantize                                     # noqa: E402
from reference.schedule import SCHEDULE_7, SQUARE_1M, token_count             # noqa: E402
from reference.t5 import T5Config, T5Encoder                                 # noqa: E402
from reference.vae import Vae, to_bytes, to_model_range                      # noqa: E402
from shapes.captions import sample                                           # noqa: E402
from shapes.world import render                                              # noqa: E402
from train.common import (AveragedWeights, Clock, append_log, cosine_rate,   # noqa: E402
                          save_atomically, save_grid)
from train.text import Tokenizer, train_tokenizer                            # noqa: E402

PROMPTS = (
    "a red ring", "a large blue circle", "a green star", "a yellow square on a gray background",
    "a red ring above a blue square", "a blue square left of a green star",
    "three green stars", "two purple circles",
    "a red circle and a green cross", "an orange triangle below a white square",
    "a small black cross", "a white star on a brown background",
    "three red squares", "a purple star to the right of a yellow ring",
    "a picture of a black triangle and a red circle", "an orange circle",
)
COARSE_SCALES = 5


class TextToImage(nn.Module):
    """Text encoder and transformer, trained together."""

    def __init__(self, t5: T5Config, infinity: InfinityConfig) -> None:
        super().__init__()
        self.t5 = T5Encoder(t5)
        self.gpt = Infinity(infinity)


@dataclass
class Data:
    latents: Tensor          # [N, d, 16, 16] float16
    captions: list[str]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder with vae.pt; checkpoints go here")
    parser.add_argument("--minutes", type=float, default=60, help="training time in all")
    parser.add_argument("--coarse", type=float, default=0.4,
                        help="share of the time spent on the first five scales only")
    parser.add_argument("--pictures", type=int, default=12000, help="training pictures to encode")
    parser.add_argument("--batch", type=int, default=16, help="pictures a step")
    parser.add_argument("--part", type=int, default=4, help="pictures computed at once")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="peak learning rate")
    parser.add_argument("--flip", type=float, default=0.25, help="largest share of flipped bits")
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--pieces", type=int, default=192, help="largest vocabulary")
    parser.add_argument("--seed", type=int, default=40, help="seed of world, weights and noise")
    parser.add_argument("--processes", type=int, default=2, help="each takes a part of the batch")
    return parser.parse_args()


def load_vae(path: Path) -> Vae:
    saved = torch.load(path, weights_only=False)
    vae = Vae(saved["config"])
    vae.load_state_dict(saved["average"])
    return vae.eval().requires_grad_(False)


@torch.no_grad()
def encode_world(vae: Vae, seed: int, count: int, split: str) -> Data:
    latents, captions = [], []
    for start in range(0, count, 32):
        samples = [sample(seed, i, split) for i in range(start, min(start + 32, count))]
        pictures = torch.from_numpy(np.stack([render(s.scene) for s in samples]))
        with torch.autocast("cpu", torch.bfloat16):
            latents.append(vae.encode(to_model_range(pictures)).half())
        captions += [s.caption for s in samples]
    return Data(torch.cat(latents), captions)


def make_batch(latents: Tensor, scales: int, flip_limit: float, generator: torch.Generator
               ) -> tuple[list[Tensor], Tensor]:
    """Inputs of scales 1.. and target bits [B, L, d] of all used scales.

    Each picture gets its own share of flipped bits. The flipped bits enter the
    sum, and the targets of later scales are computed from that sum, so the
    model learns to repair its own mistakes.
    """
    schedule = SCHEDULE_7[:scales]
    share = torch.rand(len(latents), 1, 1, 1, generator=generator) * flip_limit
    used: list[Tensor] = []

    def flip(scale: int, bits: Tensor) -> Tensor:
        noise = torch.rand(bits.shape, generator=generator) < share
        used.append(bits ^ noise)
        return used[-1]

    _, targets = quantize(latents.float(), schedule, flip)
    inputs = next_inputs(used, SCHEDULE_7)[:scales - 1]
    return inputs, torch.cat([t.flatten(1, 2) for t in targets], dim=1)


def text_features(model: TextToImage, ids: Tensor, mask: Tensor, drop: Tensor | None) -> Tensor:
    """T5 features [B, N, T]; rows marked in `drop` [B] get the blank condition."""
    features = model.t5(ids, mask)
    if drop is None:
        return features
    blank = model.gpt.cfg_uncond[:ids.shape[1]][None]
    return torch.where(drop[:, None, None], blank, features)


class Trainer:
    """One of the processes. All hold the same weights; rank 0 also writes files."""

    def __init__(self, args: argparse.Namespace, rank: int) -> None:
        self.args, self.rank = args, rank
        self.vae = load_vae(args.out / "vae.pt")
        self.bits = self.vae.config.codebook
        self.checkpoint = args.out / "transformer.pt"
        saved = torch.load(self.checkpoint, weights_only=False) if self.checkpoint.exists() else None
        if saved:
            self.tokenizer = Tokenizer(saved["tokenizer"])
            self.t5_config, self.config = saved["t5_config"], saved["config"]
        else:
            captions = (sample(args.seed, i).caption for i in range(6000))
            self.tokenizer = Tokenizer(train_tokenizer(captions, args.pieces))
            self.t5_config = T5Config(vocab=self.tokenizer.vocab)
            self.config = InfinityConfig(depth=args.depth, width=args.width, heads=args.heads,
                                         text_width=self.t5_config.width, bits=self.bits)
        self.model = TextToImage(self.t5_config, self.config)
        self.average = AveragedWeights(self.model, 0.998)
        decayed = [p for p in self.model.parameters() if p.dim() == 2]
        others = [p for p in self.model.parameters() if p.dim() != 2]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}],
            lr=args.rate, betas=(0.9, 0.98))
        self.step, self.seen, elapsed = 0, 0, 0.0
        if saved:
            self.model.load_state_dict(saved["model"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.average.shadow = saved["average"]
            self.step, self.seen, elapsed = saved["step"], saved["seen"], saved["elapsed"]
        else:
            self.save(0.0)          # untrained weights, so that export can be tried at once
        self.rope = rope_table(SCHEDULE_7, SQUARE_1M[-1], self.config.head_size)
        self.spans = {n: BlockCausal(SCHEDULE_7[:n]) for n in (COARSE_SCALES, len(SCHEDULE_7))}
        side = [torch.full((h * w,), 1.0 / h) for h, w in SCHEDULE_7]
        self.token_weight = torch.cat(side)                         # [L]
        self.clock = Clock(args.minutes * 60, elapsed)

    def payload(self, elapsed: float) -> dict:
        return {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(),
                "average": self.average.shadow, "tokenizer": self.tokenizer.model,
                "t5_config": self.t5_config, "config": self.config, "step": self.step,
                "seen": self.seen, "elapsed": elapsed, "seed": self.args.seed}

    def save(self, elapsed: float) -> None:
        if self.rank == 0:
            save_atomically(self.payload(elapsed), self.checkpoint)

    def average_gradients(self) -> None:
        """The mean over all processes, in one message."""
        if self.args.processes == 1:
            return
        for p in self.model.parameters():
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        gradients = [p.grad for p in self.model.parameters()]
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

    def forward(self, model: TextToImage, latents: Tensor, ids: Tensor, text_mask: Tensor,
                scales: int, flip: float, drop: Tensor | None, generator: torch.Generator
                ) -> tuple[Tensor, Tensor]:
        """Logits of a set bit and targets, both [B, L, d]."""
        inputs, targets = make_batch(latents, scales, flip, generator)
        count = token_count(SCHEDULE_7[:scales])
        with torch.autocast("cpu", torch.bfloat16):
            text = text_features(model, ids, text_mask, drop)
            logits = model.gpt(inputs, text, text_mask, self.rope[:, :count],
                               self.spans[scales])
        return logits[..., 1] - logits[..., 0], targets

    def train_step(self, data: Data, rng: np.random.Generator, generator: torch.Generator,
                   progress: float) -> tuple[float, int]:
        """Loss, and how many scales it was over."""
        scales = COARSE_SCALES if progress < self.args.coarse else len(SCHEDULE_7)
        share = self.args.batch // self.args.processes
        self.optimiser.zero_grad(set_to_none=True)
        losses = []
        # Small parts keep the activations of a layer in the processor's cache.
        for _ in range(0, share, self.args.part):
            chosen = rng.integers(0, len(data.captions), size=self.args.part)
            ids, text_mask = self.tokenizer.batch([data.captions[i] for i in chosen])
            drop = torch.from_numpy(rng.random(len(chosen)) < 0.1)
            logits, targets = self.forward(
                self.model, data.latents[torch.from_numpy(chosen)], ids, text_mask, scales,
                self.args.flip, drop, generator)
            each = F.binary_cross_entropy_with_logits(logits, targets.float(), reduction="none")
            weight = self.token_weight[:logits.shape[1]]
            loss = (each.mean(dim=(0, 2)) * weight).sum() / weight.sum()
            (loss * (self.args.part / share)).backward()
            losses.append(float(loss.detach()))
        self.average_gradients()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for group in self.optimiser.param_groups:
            group["lr"] = cosine_rate(self.args.rate, progress, self.step, 150)
        self.optimiser.step()
        self.average.update(self.model, self.step)
        self.step, self.seen = self.step + 1, self.seen + share * self.args.processes
        return float(np.mean(losses)), scales

    @torch.no_grad()
    def evaluate(self, held_out: Data) -> list[float]:
        """Bit accuracy of each scale on held-out pictures, and a sheet of samples."""
        model = TextToImage(self.t5_config, self.config).eval()
        model.load_state_dict(self.average.state_for(self.model))
        ids, text_mask = self.tokenizer.batch(held_out.captions)
        logits, targets = self.forward(model, held_out.latents, ids, text_mask, len(SCHEDULE_7),
                                       0.0, None, torch.Generator().manual_seed(0))
        right = ((logits > 0) == targets).float().mean(dim=(0, 2))   # [L]
        sizes = [h * w for h, w in SCHEDULE_7]
        ids, text_mask = self.tokenizer.batch(PROMPTS)
        latents, _ = generate(model.gpt, model.t5(ids, text_mask), text_mask, SCHEDULE_7,
                              sampler(1, 0.97, SCHEDULE_7), cfg=3.0)
        save_grid(to_bytes(self.vae.decode(latents)).numpy(), self.args.out / "samples.png", 8)
        return [round(float(p.mean()), 4) for p in right.split(sizes)]

    def load_data(self) -> tuple[Data, Data | None]:
        """This process's own training pictures; rank 0 also has held-out ones."""
        cache = self.args.out / f"latents-{self.rank}.pt"
        if not cache.exists():
            # Each process draws a different world, by its seed.
            count = self.args.pictures // self.args.processes
            data = encode_world(self.vae, self.args.seed + self.rank, count, "train")
            held_out = encode_world(self.vae, self.args.seed, 32, "test") if self.rank == 0 else None
            save_atomically({"data": data, "held_out": held_out}, cache)
        saved = torch.load(cache, weights_only=False)
        return saved["data"], saved["held_out"]

    def run(self) -> None:
        data, held_out = self.load_data()
        self.clock = Clock(self.clock.budget, self.clock.already)     # encoding is not training
        if self.rank == 0:
            print(f"{len(data.captions)} latents a process, {self.tokenizer.vocab} pieces, "
                  f"{sum(p.numel() for p in self.model.parameters())} parameters", flush=True)
        rng = np.random.default_rng([self.args.seed, self.rank, self.step])
        generator = torch.Generator().manual_seed(self.args.seed * 1009 + self.rank * 7 + self.step)
        next_report, next_evaluation = self.clock.elapsed + 30, self.clock.elapsed + 240
        losses: list[float] = []
        log = self.args.out / "transformer-log.jsonl"
        while (progress := self.agreed_progress()) < 1.0:
            loss, scales = self.train_step(data, rng, generator, progress)
            losses.append(loss)
            if self.rank == 0 and self.clock.elapsed >= next_report:
                next_report = self.clock.elapsed + 30
                append_log(log, {"seconds": round(self.clock.elapsed), "step": self.step,
                                 "seen": self.seen, "scales": scales,
                                 "loss": round(float(np.mean(losses)), 4)})
                losses.clear()
            if held_out is not None and self.clock.elapsed >= next_evaluation:
                next_evaluation = self.clock.elapsed + 360
                self.save(self.clock.elapsed)
                append_log(log, {"seconds": round(self.clock.elapsed),
                                 "accuracy": self.evaluate(held_out)})
        self.save(self.clock.elapsed)
        if held_out is not None:
            append_log(log, {"seconds": round(self.clock.elapsed), "final": True,
                             "accuracy": self.evaluate(held_out)})


def work(rank: int, args: argparse.Namespace, meeting_point: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)        # the same first weights everywhere
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
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(work, args=(args, f"{folder}/meeting"), nprocs=args.processes)


if __name__ == "__main__":
    main()
