"""Things both training programs need: schedules, averaged weights, logs, grids."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn


class Clock:
    """Training time, counted over interruptions.

    Learning rates follow this clock rather than a step count, because the
    machine is shared and the hours are what is fixed.
    """

    def __init__(self, budget_seconds: float, already: float = 0.0) -> None:
        self.budget = budget_seconds
        self.already = already
        self.started = time.monotonic()

    @property
    def elapsed(self) -> float:
        return self.already + time.monotonic() - self.started

    @property
    def progress(self) -> float:
        return min(1.0, self.elapsed / self.budget)


def cosine_rate(peak: float, progress: float, step: int, warmup_steps: int,
                floor: float = 0.02) -> float:
    """Linear warm-up by steps, then a cosine by progress down to floor * peak."""
    warm = min(1.0, (step + 1) / warmup_steps)
    return peak * warm * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


def trapezoid_rate(progress: float, step: int, warmup_steps: int, falling: float) -> float:
    """Share of the peak rate: up by steps, level, then down to zero over the last `falling`."""
    return min(1.0, (step + 1) / warmup_steps, max(0.0, 1 - progress) / falling)


class AveragedWeights:
    """Exponential moving average of all parameters, in float32."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {k: v.detach().clone() for k, v in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        # A young average must not remember the random start.
        decay = min(self.decay, (1 + step) / (10 + step))
        values = [v for _, v in model.named_parameters()]
        torch._foreach_lerp_([self.shadow[k] for k, _ in model.named_parameters()],
                             values, 1 - decay)

    def state_for(self, model: nn.Module) -> dict[str, Tensor]:
        """A full state dict: averaged parameters, the model's own buffers."""
        state = {k: v.detach().clone() for k, v in model.state_dict().items()}
        state.update({k: v.clone() for k, v in self.shadow.items()})
        return state


def save_atomically(payload: dict[str, Any], path: Path) -> None:
    """A crash during the write leaves the previous file whole."""
    temporary = path.with_suffix(path.suffix + ".part")
    torch.save(payload, temporary)
    os.replace(temporary, path)


def append_log(path: Path, row: dict[str, Any]) -> None:
    with path.open("a") as out:
        out.write(json.dumps(row) + "\n")
    print(" ".join(f"{k}={v}" for k, v in row.items()), flush=True)


def save_grid(pictures: np.ndarray, path: Path, columns: int) -> None:
    """Tile [N, H, W, 3] uint8 pictures, row by row."""
    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    sheet = np.full((rows * height, columns * width, 3), 255, dtype=np.uint8)
    for i, picture in enumerate(pictures):
        y, x = divmod(i, columns)
        sheet[y * height:(y + 1) * height, x * width:(x + 1) * width] = picture
    Image.fromarray(sheet).save(path)


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture, byte values.  # [B]"""
    error = (a.float() - b.float()).square().flatten(1).mean(1)
    return 10 * torch.log10(255.0 ** 2 / error.clamp_min(1e-3))
