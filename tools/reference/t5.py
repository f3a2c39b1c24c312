"""A T5 encoder with Hugging Face parameter names (gated GELU, as flan-t5).

Written for small models: it computes the padded batch and masks the padding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class T5Config:
    layers: int = 2
    width: int = 128
    heads: int = 4
    head_size: int = 32
    ff: int = 256
    vocab: int = 160
    eps: float = 1e-6
    buckets: int = 32
    max_distance: int = 128


class RmsNorm(nn.Module):
    """x / rms(x) * weight, computed in float32."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def relative_buckets(length: int, buckets: int, max_distance: int) -> Tensor:
    """Bucket of (key position - query position), both directions.  # [L, L]"""
    position = torch.arange(length)
    offset = position[None, :] - position[:, None]
    half = buckets // 2
    side = (offset > 0).long() * half          # keys to the right use the upper half
    distance = offset.abs()
    exact = half // 2                          # near distances have a bucket each
    far = exact + (torch.log(distance.float().clamp_min(1) / exact)
                   / math.log(max_distance / exact) * (half - exact)).long()
    far = far.clamp_max(half - 1)
    return side + torch.where(distance < exact, distance, far)


class SelfAttention(nn.Module):
    def __init__(self, config: T5Config, has_bias: bool) -> None:
        super().__init__()
        inner = config.heads * config.head_size
        self.heads, self.head_size = config.heads, config.head_size
        self.q = nn.Linear(config.width, inner, bias=False)
        self.k = nn.Linear(config.width, inner, bias=False)
        self.v = nn.Linear(config.width, inner, bias=False)
        self.o = nn.Linear(inner, config.width, bias=False)
        if has_bias:
            self.relative_attention_bias = nn.Embedding(config.buckets, config.heads)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        batch, length, _ = x.shape

        def split(y: Tensor) -> Tensor:        # [B, H, L, D]
            return y.view(batch, length, self.heads, self.head_size).transpose(1, 2)

        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), scale=1.0)
        return self.o(y.transpose(1, 2).flatten(2))


class AttentionLayer(nn.Module):
    def __init__(self, config: T5Config, has_bias: bool) -> None:
        super().__init__()
        self.SelfAttention = SelfAttention(config, has_bias)
        self.layer_norm = RmsNorm(config.width, config.eps)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        return x + self.SelfAttention(self.layer_norm(x), bias)


class GatedGelu(nn.Module):
    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.wi_0 = nn.Linear(config.width, config.ff, bias=False)
        self.wi_1 = nn.Linear(config.width, config.ff, bias=False)
        self.wo = nn.Linear(config.ff, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.wo(F.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x))


class FeedForwardLayer(nn.Module):
    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.DenseReluDense = GatedGelu(config)
        self.layer_norm = RmsNorm(config.width, config.eps)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.DenseReluDense(self.layer_norm(x))


class Block(nn.Module):
    def __init__(self, config: T5Config, has_bias: bool) -> None:
        super().__init__()
        self.layer = nn.ModuleList([AttentionLayer(config, has_bias), FeedForwardLayer(config)])

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        return self.layer[1](self.layer[0](x, bias))


class Stack(nn.Module):
    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.block = nn.ModuleList(Block(config, i == 0) for i in range(config.layers))
        self.final_layer_norm = RmsNorm(config.width, config.eps)


class T5Encoder(nn.Module):
    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.config = config
        self.shared = nn.Embedding(config.vocab, config.width)
        self.encoder = Stack(config)
        self._initialise()

    def _initialise(self) -> None:
        """T5's own scheme: attention has no 1/sqrt(D), so q starts small instead."""
        c = self.config
        nn.init.normal_(self.shared.weight, std=1.0)
        for name, p in self.named_parameters():
            if name.endswith("SelfAttention.q.weight"):
                nn.init.normal_(p, std=(c.width * c.head_size) ** -0.5)
            elif name.endswith((".k.weight", ".v.weight", ".wi_0.weight", ".wi_1.weight")):
                nn.init.normal_(p, std=c.width ** -0.5)
            elif name.endswith(".o.weight"):
                nn.init.normal_(p, std=(c.heads * c.head_size) ** -0.5)
            elif name.endswith(".wo.weight"):
                nn.init.normal_(p, std=c.ff ** -0.5)
        self._look_both_ways()

    @torch.no_grad()
    def _look_both_ways(self) -> None:
        """Heads begin with a direction: the word before, all before, all after, the word after.

        Hours of training from random biases left an encoder that was blind to the order of words.
        """
        bias = self.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight
        after = self.config.buckets // 2 + 1
        ranges = ((1, 3), (1, after - 1), (after, self.config.buckets), (after, after + 2))
        bias.zero_()
        for head in range(self.config.heads):
            first, end = ranges[head % len(ranges)]
            bias[first:end, head] = 4.0

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids [B, L] and mask [B, L] (true at real tokens) to features [B, L, T]."""
        first = self.encoder.block[0].layer[0].SelfAttention
        table = relative_buckets(ids.shape[1], self.config.buckets, self.config.max_distance)
        bias = first.relative_attention_bias(table).permute(2, 0, 1)[None]   # [1, H, L, L]
        bias = bias + torch.zeros(mask.shape).masked_fill(~mask, -1e9)[:, None, None, :]
        x = self.shared(ids)
        for block in self.encoder.block:
            x = block(x, bias)
        return self.encoder.final_layer_norm(x)
