"""The Infinity transformer: next-scale prediction of bits.

Two ways to run the same weights. `forward` sees all scales at once under a
block-causal mask (training, teacher forcing); `Generator` in generate.py runs
scale by scale with a key-value cache. Parameter names are the published ones.

Shapes: B sequences, L tokens, C width, H heads, D = C / H, N text tokens,
T text width, d bits a token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .quantizer import Grid
from .t5 import RmsNorm


@dataclass(frozen=True)
class InfinityConfig:
    depth: int = 8
    width: int = 192
    heads: int = 4
    block_chunks: int = 2
    text_width: int = 128
    bits: int = 16
    text_max: int = 512
    max_scales: int = 15                 # rows of lvl_embed

    @property
    def head_size(self) -> int:
        return self.width // self.heads

    @property
    def ff(self) -> int:
        """Python rounds halves to even, and so does the published model."""
        return round(self.width * 4 / 256) * 256

    @property
    def pool_heads(self) -> int:
        return self.text_width // (64 if self.width > 4096 else 128)


def rope_table(schedule: Sequence[Grid], reference: Grid, head_size: int) -> Tensor:
    """Cosines and sines of all tokens.  # [2, L, D/2]

    Positions are stretched to `reference`, the last grid of the 1M schedule,
    and rounded half to even, so that equal places of different scales get
    nearly equal angles.
    """
    quarter = head_size // 4
    frequencies = 10000.0 ** (-2 * torch.arange(quarter).float() / (head_size // 2))
    rows = []
    for height, width in schedule:
        y = torch.round(torch.arange(height).float() * (reference[0] / height))
        x = torch.round(torch.arange(width).float() * (reference[1] / width))
        by_row = (y[:, None] * frequencies)[:, None].expand(height, width, quarter)
        by_column = (x[:, None] * frequencies)[None].expand(height, width, quarter)
        rows.append(torch.cat([by_row, by_column], dim=-1).reshape(-1, 2 * quarter))
    angles = torch.cat(rows)                                   # [L, D/2]
    return torch.stack([angles.cos(), angles.sin()])


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Rotate neighbouring pairs (2j, 2j+1) of x [B, H, L, D]."""
    cos, sin = table[0], table[1]                  # [L, D/2], or [B, 1, L, D/2]
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


class BlockCausal:
    """Who may look at whom when all scales are computed at once.

    A query sees its own scale and all earlier ones. The large scales are spans
    of their own and need no mask; the small ones share one span with a mask.
    """

    def __init__(self, sizes: Sequence[int], together: int = 128) -> None:
        """`sizes`: how many tokens of each scale are there."""
        ends = [sum(sizes[:i + 1]) for i in range(len(sizes))]
        small = sum(end <= together for end in ends)
        # (first query, one past the last query and key, mask or None)
        self.spans: list[tuple[int, int, Tensor | None]] = []
        if small:
            scale = torch.repeat_interleave(torch.arange(small), torch.tensor(sizes[:small]))
            hidden = scale[:, None] < scale[None, :]
            bias = torch.zeros(hidden.shape).masked_fill(hidden, float("-inf"))
            self.spans.append((0, ends[small - 1], bias))
        self.spans += [(end - size, end, None) for size, end in zip(sizes[small:], ends[small:])]


class SelfAttention(nn.Module):
    """Cosine attention with a learned temperature a head."""

    def __init__(self, config: InfinityConfig) -> None:
        super().__init__()
        c, h = config.width, config.heads
        self.heads = h
        self.scale_mul_1H11 = nn.Parameter(torch.full((1, h, 1, 1), math.log(4.0)))
        self.mat_qkv = nn.Linear(c, 3 * c, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(c))
        self.v_bias = nn.Parameter(torch.zeros(c))
        self.register_buffer("zero_k_bias", torch.zeros(c))
        self.proj = nn.Linear(c, c)

    def project(self, x: Tensor, rope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [B, H, L, D]."""
        bias = torch.cat([self.q_bias, self.zero_k_bias, self.v_bias])
        qkv = F.linear(x, self.mat_qkv.weight, bias)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        temperature = self.scale_mul_1H11.clamp_max(math.log(100.0)).exp()
        q = F.normalize(q.float(), dim=-1, eps=1e-12) * temperature
        k = F.normalize(k.float(), dim=-1, eps=1e-12)
        return rotate(q, rope), rotate(k, rope), v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, spans: BlockCausal | None) -> Tensor:
        q, k = q.to(v.dtype), k.to(v.dtype)
        if spans is None:                              # one scale: it may look at everything
            y = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        else:
            y = torch.cat([self._attend_span(q[:, :, first:end], k[:, :, :end], v[:, :, :end], bias)
                           for first, end, bias in spans.spans], dim=2)
        return self.proj(y.transpose(1, 2).flatten(2))

    @staticmethod
    def _attend_span(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
        """Plain matrix products: three times as fast to train on a CPU as the fused kernel."""
        scores = q @ k.transpose(-1, -2)               # [B, H, queries, keys]
        if bias is not None:
            scores = scores + bias.to(scores.dtype)
        return torch.softmax(scores, dim=-1) @ v


class CrossAttention(nn.Module):
    """Attention to the text memory m [B, N, C], padding masked."""

    def __init__(self, config: InfinityConfig) -> None:
        super().__init__()
        c = config.width
        self.heads = config.heads
        self.mat_q = nn.Linear(c, c)
        self.mat_kv = nn.Linear(c, 2 * c, bias=False)
        self.v_bias = nn.Parameter(torch.zeros(c))
        self.register_buffer("zero_k_bias", torch.zeros(c))
        self.proj = nn.Linear(c, c)

    def forward(self, x: Tensor, memory: Tensor, text_mask: Tensor) -> Tensor:
        q = self.mat_q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        kv = F.linear(memory, self.mat_kv.weight, torch.cat([self.zero_k_bias, self.v_bias]))
        k, v = kv.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=text_mask[:, None, None, :])
        return self.proj(y.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, config: InfinityConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.width, config.ff)
        self.fc2 = nn.Linear(config.ff, config.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, config: InfinityConfig) -> None:
        super().__init__()
        c = config.width
        self.sa = SelfAttention(config)
        self.ca = CrossAttention(config)
        self.ffn = FeedForward(config)
        self.ca_norm = nn.LayerNorm(c, eps=1e-6)
        self.ada_gss = nn.Parameter(torch.zeros(1, 1, 6, c))

    def forward(self, x: Tensor, g: Tensor, memory: Tensor, text_mask: Tensor, rope: Tensor,
                spans: BlockCausal | None, cache: list[Tensor] | None = None) -> Tensor:
        """`spans` for many scales at once, `cache` for one after the other: `cache`, where given, holds [keys, values] of earlier scales and is extended."""
        gate1, gate2, scale1, scale2, shift1, shift2 = (self.ada_gss + g).unbind(2)
        width = x.shape[-1:]
        y = F.layer_norm(x, width, eps=1e-6) * (1 + scale1) + shift1
        q, k, v = self.sa.project(y, rope)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
            cache[:] = [k, v]
        x = x + self.sa.attend(q, k, v, spans) * gate1
        x = x + self.ca(self.ca_norm(x), memory, text_mask)
        y = F.layer_norm(x, width, eps=1e-6) * (1 + scale2) + shift2
        return x + self.ffn(y) * gate2


class TextPool(nn.Module):
    """One learned query attends to the text: the start token and the condition."""

    def __init__(self, config: InfinityConfig) -> None:
        super().__init__()
        c, h = config.width, config.pool_heads
        self.heads = h
        self.mat_q = nn.Parameter(torch.randn(1, h, c // h) * c ** -0.5)
        self.mat_kv = nn.Linear(config.text_width, 2 * c, bias=False)
        self.v_bias = nn.Parameter(torch.zeros(c))
        self.register_buffer("zero_k_bias", torch.zeros(c))
        self.proj = nn.Linear(c, c)

    def forward(self, text: Tensor, text_mask: Tensor) -> Tensor:
        kv = F.linear(text, self.mat_kv.weight, torch.cat([self.zero_k_bias, self.v_bias]))
        k, v = kv.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)   # [B, Hp, N, Dp]
        q = self.mat_q[:, :, None].expand(len(text), -1, -1, -1).to(k.dtype)   # [B, Hp, 1, Dp]
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=text_mask[:, None, None, :])
        return self.proj(y.transpose(1, 2).flatten(1))                         # [B, C]


class TextToStart(nn.Module):
    """Only here to give TextPool the name it has in the checkpoint."""

    def __init__(self, config: InfinityConfig) -> None:
        super().__init__()
        self.ca = TextPool(config)

    def forward(self, text: Tensor, text_mask: Tensor) -> Tensor:
        return self.ca(text, text_mask)


class Chunk(nn.Module):
    def __init__(self, config: InfinityConfig, count: int) -> None:
        super().__init__()
        self.module = nn.ModuleList(Block(config) for _ in range(count))


class HeadNorm(nn.Module):
    def __init__(self, config: InfinityConfig) -> None:
        super().__init__()
        self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(config.width, 2 * config.width))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.ada_lin(condition)[:, None].chunk(2, dim=-1)
        return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


@dataclass
class Condition:
    """What the text says, in the forms the blocks use."""

    start: Tensor        # [B, C], also the argument of the adaptive norms
    memory: Tensor       # [B, N, C]
    text_mask: Tensor    # [B, N]
    adaptive: Tensor     # [B, 1, 6, C]


class Infinity(nn.Module):
    def __init__(self, config: InfinityConfig) -> None:
        super().__init__()
        self.config = config
        c, t = config.width, config.text_width
        self.cfg_uncond = nn.Parameter(torch.randn(config.text_max, t) * t ** -0.5)
        self.pos_start = nn.Parameter(torch.randn(1, 1, c) * 0.02)
        self.text_norm = RmsNorm(t)
        self.text_proj_for_sos = TextToStart(config)
        self.text_proj_for_ca = nn.Sequential(
            nn.Linear(t, c), nn.GELU(approximate="tanh"), nn.Linear(c, c))
        self.lvl_embed = nn.Embedding(config.max_scales, c)
        self.word_embed = nn.Linear(config.bits, c)
        self.shared_ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(c, 6 * c))
        per_chunk = config.depth // config.block_chunks
        self.block_chunks = nn.ModuleList(
            Chunk(config, per_chunk) for _ in range(config.block_chunks))
        self.head_nm = HeadNorm(config)
        self.head = nn.Linear(c, 2 * config.bits)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=module.in_features ** -0.5, a=-1, b=1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.lvl_embed.weight, std=0.1)
        # Residual branches start small, gates half open, adaptive parts near zero.
        for block in self.blocks():
            for linear in (block.sa.proj, block.ca.proj, block.ffn.fc2):
                linear.weight.data.div_(math.sqrt(2 * self.config.depth))
            block.ada_gss.data[:, :, :2].fill_(0.5)
        for linear in (self.shared_ada_lin[1], self.head_nm.ada_lin[1], self.head):
            linear.weight.data.mul_(0.05)

    def blocks(self) -> list[Block]:
        return [block for chunk in self.block_chunks for block in chunk.module]

    def condition(self, text: Tensor, text_mask: Tensor) -> Condition:
        """text [B, N, T]: raw T5 features or rows of cfg_uncond."""
        text = self.text_norm(text)
        start = self.text_proj_for_sos(text, text_mask).float()
        adaptive = self.shared_ada_lin(start).float().unflatten(-1, (6, -1))[:, None]
        return Condition(start, self.text_proj_for_ca(text), text_mask, adaptive)

    def embed(self, inputs: Sequence[Tensor], condition: Condition) -> list[Tensor]:
        """First tokens of every scale; inputs[i] is [B, h, w, d], for scale i + 1.

        Training may leave tokens out of a scale: then h * w is what is left.
        """
        tokens = [condition.start[:, None] + self.pos_start]
        tokens += [self.word_embed(x.flatten(1, 2)) for x in inputs]
        return [x + self.lvl_embed.weight[i] for i, x in enumerate(tokens)]

    def logits(self, x: Tensor, condition: Condition) -> Tensor:
        """[B, L, d, 2]; the second option is a set bit. Always float32."""
        with torch.autocast("cpu", enabled=False):
            return self.head(self.head_nm(x.float(), condition.start)).unflatten(-1, (-1, 2))

    def forward(self, inputs: Sequence[Tensor], text: Tensor, text_mask: Tensor, rope: Tensor,
                spans: BlockCausal) -> Tensor:
        """All scales at once, teacher forced.  # [B, L, d, 2]"""
        condition = self.condition(text, text_mask)
        x = torch.cat(self.embed(inputs, condition), dim=1).float()          # [B, L, C]
        for block in self.blocks():
            x = block(x, condition.adaptive, condition.memory, text_mask, rope, spans)
        return self.logits(x, condition)
