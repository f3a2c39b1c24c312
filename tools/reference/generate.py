"""Scale-by-scale generation with the full key-value cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .infinity import Infinity, rope_table
from .quantizer import Grid, bits_to_codes, enlarge
from .schedule import SQUARE_1M

# Gives the bits [B, h, w, d] of a scale from its guided logits [B, L, d, 2].
ChooseBits = Callable[[int, Tensor], Tensor]


def sampler(seed: int, top_p: float, schedule: Sequence[Grid]) -> ChooseBits:
    """Sample each bit; a value with probability <= 1 - top_p is never drawn."""
    generator = torch.Generator().manual_seed(seed)

    def choose(scale: int, logits: Tensor) -> Tensor:
        one = logits.softmax(-1)[..., 1]                          # [B, L, d]
        floor = 1 - top_p
        one = torch.where(one <= floor, torch.zeros_like(one), one)
        one = torch.where(1 - one <= floor, torch.ones_like(one), one)
        bits = torch.rand(one.shape, generator=generator) < one
        return bits.unflatten(1, schedule[scale])

    return choose


def forced(all_bits: Sequence[Tensor]) -> ChooseBits:
    return lambda scale, logits: all_bits[scale].bool()


@torch.no_grad()
def generate(model: Infinity, text: Tensor, text_mask: Tensor, schedule: Sequence[Grid],
             choose: ChooseBits, cfg: float | Sequence[float] = 3.0,
             tau: float | Sequence[float] = 1.0, reference: Grid = SQUARE_1M[-1],
             keep: dict[str, Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
    """Draw the latents [B, d, H, W] for text features [B, N, T].

    Also returns the guided logits of each scale [B, L, d, 2]. `keep`, where
    given, receives intermediate tensors under their fixture names.
    """
    count = len(schedule)
    cfg = [float(cfg)] * count if isinstance(cfg, (int, float)) else [float(c) for c in cfg]
    tau = [float(tau)] * count if isinstance(tau, (int, float)) else [float(t) for t in tau]
    batch, length = text.shape[:2]
    guided = any(c != 1.0 for c in cfg)
    if guided:
        blank = model.cfg_uncond[:length][None].expand(batch, -1, -1)
        text = torch.cat([text, blank])
        text_mask = torch.cat([text_mask, text_mask])
    condition = model.condition(text, text_mask)
    if keep is not None:
        keep["txt.cond_BD"] = condition.start
        keep["txt.cond_gss"] = condition.adaptive
        keep["txt.ca_kv"] = condition.memory[condition.text_mask]
    table = rope_table(schedule, reference, model.config.head_size)
    caches: list[list[Tensor]] = [[] for _ in model.blocks()]
    final = schedule[-1]
    total = torch.zeros(batch, model.config.bits, *final)
    all_logits: list[Tensor] = []
    x = condition.start[:, None] + model.pos_start                 # [bs, 1, C]
    first = 0
    for scale, grid in enumerate(schedule):
        tokens = grid[0] * grid[1]
        x = x + model.lvl_embed.weight[scale]
        if keep is not None:
            keep[f"full.x_in.s{scale}"] = x
        rope = table[:, first:first + tokens]
        first += tokens
        for block, cache in zip(model.blocks(), caches):
            x = block(x, condition.adaptive, condition.memory, condition.text_mask, rope,
                      None, cache)
        raw = model.logits(x, condition) / tau[scale]
        if guided:
            with_text, without = raw.chunk(2)
            raw = cfg[scale] * with_text + (1 - cfg[scale]) * without
        all_logits.append(raw)
        bits = choose(scale, raw)                                  # [B, h, w, d]
        codes = bits_to_codes(bits, model.config.bits).permute(0, 3, 1, 2)
        total = total + enlarge(codes, final)
        if scale + 1 < count:
            following = enlarge(total, schedule[scale + 1]).permute(0, 2, 3, 1)
            if keep is not None:
                keep[f"full.wemb_in.s{scale + 1}"] = following.flatten(1, 2)
            x = model.word_embed(following.flatten(1, 2))
            x = torch.cat([x, x]) if guided else x
    return total, all_logits


def next_inputs(all_bits: Sequence[Tensor], schedule: Sequence[Grid]) -> list[Tensor]:
    """Inputs of scales 1, 2, ... that generation would see after these bits.

    Each is [B, h, w, d]. This is what training feeds to the transformer.
    """
    final = schedule[-1]
    total: Tensor | float = 0.0
    inputs = []
    for bits, grid in zip(all_bits, schedule[1:]):
        codes = bits_to_codes(bits, bits.shape[-1]).permute(0, 3, 1, 2)
        total = total + enlarge(codes, final)
        inputs.append(F.interpolate(total, size=grid, mode="bilinear", align_corners=False)
                      .permute(0, 2, 3, 1) if total.shape[-2:] != grid
                      else total.permute(0, 2, 3, 1))
    return inputs
