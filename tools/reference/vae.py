"""The image tokenizer: a convolutional encoder and decoder around the quantiser.

Parameter names follow the published checkpoints (`encoder.down.0.block.0.
norm1.norm.weight`, ...): each convolution and norm sits one level down, in an
attribute called `conv` or `norm`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class VaeConfig:
    codebook: int = 16                            # latent channels = bits a token
    base: int = 32                                # channels at full resolution
    ch_mult: tuple[int, ...] = (1, 1, 2, 4)       # channels of each level / base
    res_blocks: int = 1                           # a level; the decoder has one more
    stride: int = 8                               # pixels a token

    @property
    def downsamples(self) -> int:
        return self.stride.bit_length() - 1


class Conv(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1,
                 padding: int | None = None) -> None:
        super().__init__()
        if padding is None:
            padding = kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Norm(nn.Module):
    """Group norm with 32 groups where the width allows, else 24."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        groups = 32 if channels % 32 == 0 else 24
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)


class ResBlock(nn.Module):
    """x + conv(swish(norm(conv(swish(norm(x))))))"""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1 = Norm(inputs)
        self.conv1 = Conv(inputs, outputs)
        self.norm2 = Norm(outputs)
        self.conv2 = Conv(outputs, outputs)
        if inputs != outputs:
            self.nin_shortcut = Conv(inputs, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        y = self.conv2(F.silu(self.norm2(y)))
        if hasattr(self, "nin_shortcut"):
            x = self.nin_shortcut(x)
        return x + y


class Downsample(nn.Module):
    """Halve the grid. The published model pads on the right and below only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv(channels, channels, stride=2, padding=0)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Middle(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block_1 = ResBlock(channels, channels)
        self.block_2 = ResBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.block_1(x))


class Level(nn.Module):
    """The residual blocks of one resolution, then perhaps a change of resolution."""

    def __init__(self, inputs: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.block = nn.ModuleList(
            ResBlock(inputs if i == 0 else outputs, outputs) for i in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        if hasattr(self, "downsample"):
            x = self.downsample(x)
        if hasattr(self, "upsample"):
            x = self.upsample(x)
        return x


class Encoder(nn.Module):
    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        widths = [config.base * m for m in config.ch_mult]
        self.conv_in = Conv(3, config.base)
        self.down = nn.ModuleList()
        previous = config.base
        for level, width in enumerate(widths):
            module = Level(previous, width, config.res_blocks)
            if level < config.downsamples:
                module.downsample = Downsample(width)
            self.down.append(module)
            previous = width
        self.mid = Middle(previous)
        self.norm_out = Norm(previous)
        self.conv_out = Conv(previous, config.codebook)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        x = self.mid(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Decoder(nn.Module):
    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        widths = [config.base * m for m in config.ch_mult]
        self.conv_in = Conv(config.codebook, widths[-1])
        self.mid = Middle(widths[-1])
        levels: list[Level] = []
        for level, width in enumerate(widths):
            source = widths[min(level + 1, len(widths) - 1)]   # from the level below
            module = Level(source, width, config.res_blocks + 1)
            if 1 <= level <= config.downsamples:
                module.upsample = Upsample(width)
            levels.append(module)
        self.up = nn.ModuleList(levels)                         # stored from fine to coarse
        self.norm_out = Norm(widths[0])
        self.conv_out = Conv(widths[0], 3)

    def forward(self, z: Tensor) -> Tensor:
        x = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Vae(nn.Module):
    """Pictures are [B, 3, H, W] in [-1, 1]; latents [B, codebook, H/stride, W/stride]."""

    def __init__(self, config: VaeConfig = VaeConfig()) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def encode(self, picture: Tensor) -> Tensor:
        return self.encoder(picture)

    def decode(self, latent: Tensor) -> Tensor:
        """Not clamped: the caller clamps to [-1, 1]."""
        return self.decoder(latent)


def to_model_range(pictures: Tensor) -> Tensor:
    """[B, H, W, 3] uint8 to [B, 3, H, W] float in [-1, 1]."""
    x = pictures.permute(0, 3, 1, 2).float() / 255.0
    return x + x - 1.0


def to_bytes(pictures: Tensor) -> Tensor:
    """[B, 3, H, W] to [B, H, W, 3] uint8, truncating as the published code does."""
    x = (pictures.float().clamp(-1, 1) + 1) / 2 * 255
    return x.permute(0, 2, 3, 1).to(torch.uint8)
