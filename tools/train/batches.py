"""What the transformer trains on: pictures, the tokens of them, and their targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reference.generate import next_inputs
from reference.quantizer import quantize
from reference.schedule import SCHEDULE_7
from reference.vae import Vae, to_model_range
from shapes.captions import Sample
from shapes.usual import sample_usual
from shapes.world import render

# A residual this far from zero makes its bit's target 0.73. Residuals near zero
# are coin flips: a soft target says so, where a hard bit would be noise.
SOFTNESS = 0.04


@torch.no_grad()
def encode(vae: Vae, samples: list[Sample]) -> Tensor:
    """Latents of rendered scenes, a few pictures at a time.  # [N, d, 16, 16]"""
    pictures = torch.from_numpy(np.stack([render(s.scene) for s in samples]))
    return torch.cat([vae.encode(to_model_range(part)) for part in pictures.split(16)])


class Pool:
    """The newest `limit` pictures, in a ring. A few new ones join at every step."""

    def __init__(self, vae: Vae, seed: int, first: int, limit: int) -> None:
        self.vae, self.seed, self.next, self.limit = vae, seed, first, limit
        self.latents: list[Tensor] = []
        self.captions: list[str] = []
        self.place = 0

    def grow(self, count: int) -> None:
        if count <= 0:
            return
        samples = [sample_usual(self.seed, self.next + i, "train") for i in range(count)]
        self.next += count
        for latent, item in zip(encode(self.vae, samples), samples):
            if len(self.latents) < self.limit:
                self.latents.append(latent)
                self.captions.append(item.caption)
            else:
                self.latents[self.place], self.captions[self.place] = latent, item.caption
                self.place = (self.place + 1) % self.limit

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, list[str]]:
        chosen = rng.integers(0, len(self.latents), size=count)
        return torch.stack([self.latents[i] for i in chosen]), [self.captions[i] for i in chosen]


@dataclass
class Batch:
    inputs: list[Tensor]      # of scales 1.., [B, n, 1, d] or [B, h, w, d]
    targets: Tensor           # [B, L, d], chance that the bit is set
    sizes: list[int]          # tokens of each scale
    places: Tensor            # [B, L], which of the picture's 521 tokens these are


def choose_places(latents: Tensor, shares: list[float], generator: torch.Generator) -> list[Tensor]:
    """For each scale which tokens to train on, [B, n] in rising order.

    Where a scale is not taken whole, tokens whose latent differs from the
    picture's median, that is objects and edges, are twelve times as likely.
    """
    middle = latents.flatten(2).median(2).values[..., None, None]
    busy = (latents - middle).abs().mean(1, keepdim=True)              # [B, 1, H, W]
    places = []
    for (height, width), share in zip(SCHEDULE_7, shares):
        count = height * width
        if share >= 1:
            places.append(torch.arange(count).expand(len(latents), -1))
            continue
        here = torch.nn.functional.adaptive_max_pool2d(busy, (height, width)).flatten(1)
        weight = 1.0 + 11.0 * (here > 0.3 * here.amax(1, keepdim=True))
        chosen = torch.multinomial(weight, round(count * share), generator=generator)
        places.append(chosen.sort(1).values)
    return places


def make_batch(latents: Tensor, flip_limit: float, shares: list[float],
               generator: torch.Generator) -> Batch:
    """Inputs and targets of the chosen tokens; fewer shares than scales leave out the last scales.

    Each picture gets its own share of flipped bits. The flipped bits enter the
    sum, and the targets of later scales are computed from that sum, so the
    model learns to repair its own mistakes.
    """
    share = torch.rand(len(latents), 1, 1, 1, generator=generator) * flip_limit
    targets: list[Tensor] = []

    def choose(scale: int, residual: Tensor) -> Tensor:
        targets.append(torch.sigmoid(residual / SOFTNESS).flatten(1, 2))
        return (residual > 0) ^ (torch.rand(residual.shape, generator=generator) < share)

    _, used = quantize(latents, SCHEDULE_7, choose)
    inputs = next_inputs(used, SCHEDULE_7)
    places = choose_places(latents, shares, generator)

    def take(x: Tensor, where: Tensor) -> Tensor:          # x [B, tokens, d]
        return x.gather(1, where[..., None].expand(-1, -1, x.shape[-1]))

    first = np.cumsum([0] + [h * w for h, w in SCHEDULE_7])
    return Batch(
        [take(x.flatten(1, 2), p)[:, :, None] for x, p in zip(inputs, places[1:])],
        torch.cat([take(t, p) for t, p in zip(targets, places)], 1),
        [p.shape[1] for p in places],
        torch.cat([p + int(f) for p, f in zip(places, first)], 1))
