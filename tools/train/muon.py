"""Muon for matrices, AdamW for the rest.

Muon (Jordan et al. 2024) replaces the momentum of a weight matrix by the
nearest orthogonal matrix, so that every direction of a layer learns at the
same speed; a short training needs about half the steps of AdamW.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import torch
import torch.distributed as distributed
from torch import Tensor, nn

# Quintic Newton-Schulz step: singular values in (0, 1] go to about 1 within five.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonalise(g: Tensor, steps: int = 5) -> Tensor:
    """Nearly orthogonal matrices in the direction of g.  # [N, rows, columns], rows <= columns"""
    x = g / (g.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x


def orthogonalise_together(stack: Tensor) -> Tensor:
    """The same in all processes, each computing its part of the stack."""
    count = distributed.get_world_size() if distributed.is_initialized() else 1
    if len(stack) % count:
        return orthogonalise(stack)
    mine = orthogonalise(stack.chunk(count)[distributed.get_rank() if count > 1 else 0])
    if count == 1:
        return mine
    parts = [torch.empty_like(mine, memory_format=torch.contiguous_format) for _ in range(count)]
    distributed.all_gather(parts, mine.contiguous())
    return torch.cat(parts)


def is_hidden_matrix(name: str, p: Tensor) -> bool:
    """Matrices between hidden layers; embeddings, inputs and outputs are AdamW's."""
    outside = ("word_embed.weight", "lvl_embed.weight", "gpt.head.weight", "cfg_uncond",
               "shared.weight", "relative_attention_bias.weight")
    return p.dim() == 2 and not name.endswith(outside)


def square_parts(name: str, p: Tensor) -> int:
    """How many matrices are stacked in one: queries, keys, values, and the like."""
    if name.endswith("mat_qkv.weight"):
        return 3
    if name.endswith("mat_kv.weight"):
        return 2
    if name.endswith("ada_lin.1.weight"):
        return p.shape[0] // p.shape[1]
    return 1


class Muon:
    """Steps all hidden matrices of a model. State: one momentum a matrix.

    Where several processes train, they hold equal gradients and share the work.
    """

    def __init__(self, model: nn.Module, momentum: float = 0.95, decay: float = 0.02) -> None:
        self.momentum, self.decay = momentum, decay
        self.matrices = {k: p for k, p in model.named_parameters() if is_hidden_matrix(k, p)}
        self.state = {k: torch.zeros_like(p) for k, p in self.matrices.items()}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        groups: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for name, p in self.matrices.items():
            momentum = self.state[name].lerp_(p.grad, 1 - self.momentum)
            update = p.grad.lerp(momentum, self.momentum)              # Nesterov
            parts = square_parts(name, p)
            for weight, direction in zip(p.chunk(parts), update.chunk(parts)):
                groups[weight.shape].append((weight, direction))
        for (rows, columns), pairs in groups.items():
            stack = torch.stack([direction for _, direction in pairs])   # [N, rows, columns]
            flat = orthogonalise_together(stack if rows <= columns else stack.mT)
            stack = flat if rows <= columns else flat.mT
            size = rate * max(1.0, rows / columns) ** 0.5
            for (weight, _), direction in zip(pairs, stack):
                weight.mul_(1 - rate * self.decay).sub_(direction, alpha=size)

    def state_dict(self) -> dict[str, Tensor]:
        return self.state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for name, momentum in state.items():
            self.state[name].copy_(momentum)
