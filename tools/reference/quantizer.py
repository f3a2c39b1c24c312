"""Multi-scale binary spherical quantisation (BSQ).

A latent of d channels is written as a sum over scales. At every scale the
remaining residual is averaged down to the scale's grid, and the signs of its
d channels become d bits. A bit stands for -1/sqrt(d) or +1/sqrt(d), so a code
lies on the unit sphere. The code, enlarged to the full grid, is subtracted
before the next scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Grid = tuple[int, int]   # height and width of one scale, in tokens


def bits_to_codes(bits: Tensor, codebook: int) -> Tensor:
    """0/1 bits to +-1/sqrt(codebook), any shape."""
    return (bits.to(torch.float32) * 2 - 1) * codebook ** -0.5


def enlarge(codes: Tensor, grid: Grid) -> Tensor:
    """Bilinear resize as the generation loop does it (no antialiasing).  # [B, d, h, w]"""
    if codes.shape[-2:] == grid:
        return codes
    return F.interpolate(codes, size=grid, mode="bilinear", align_corners=False)


def shrink(latent: Tensor, grid: Grid) -> Tensor:
    """Area average, as the encoder looks at its residual.  # [B, d, h, w]"""
    if latent.shape[-2:] == grid:
        return latent
    return F.interpolate(latent, size=grid, mode="area")


def quantize(latent: Tensor, schedule: Sequence[Grid],
             choose: Callable[[int, Tensor], Tensor] | None = None
             ) -> tuple[Tensor, list[Tensor]]:
    """Split a latent [B, d, H, W] into bits, coarse scales first.

    Returns the sum of all enlarged codes [B, d, H, W] and the bits of each
    scale, [B, h, w, d] bool. `choose(scale, residual)` may pick other bits than
    the signs of the residual [B, h, w, d]: later scales then see, and their
    residuals repair, the damage (bitwise self-correction).
    """
    codebook = latent.shape[1]
    full: Grid = (latent.shape[2], latent.shape[3])
    residual = latent.float()
    total = torch.zeros_like(residual)
    all_bits = []
    for index, grid in enumerate(schedule):
        # The sign of the l2-normalised residual is the sign of the residual.
        here = shrink(residual, grid).permute(0, 2, 3, 1)            # [B, h, w, d]
        bits = here > 0 if choose is None else choose(index, here)
        all_bits.append(bits)
        codes = bits_to_codes(bits, codebook).permute(0, 3, 1, 2)     # [B, d, h, w]
        enlarged = enlarge(codes, full)
        residual = residual - enlarged
        total = total + enlarged
    return total, all_bits


def sum_of_codes(all_bits: Sequence[Tensor], grid: Grid) -> Tensor:
    """Rebuild the latent from the bits of all scales.  # [B, d, H, W]"""
    total: Tensor | float = 0.0
    for bits in all_bits:                                             # [B, h, w, d]
        codes = bits_to_codes(bits, bits.shape[-1]).permute(0, 3, 1, 2)
        total = total + enlarge(codes, grid)
    assert isinstance(total, Tensor)
    return total
