"""A lesson for the text encoder: at each shape's word, which object is meant.

Bits of a picture teach slowly which colour and place belong to which of two
shapes. So linear layers, used in training only, read from the encoder's
features at the word of a shape the colour, the size, the place and the number
of the objects that the word stands for.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference.t5 import T5Encoder
from shapes.captions import Sample
from shapes.usual import sample_usual
from shapes.world import OBJECT_COLOURS, PICTURE_SIZE, SHAPES, SIZES
from train.muon import Muon, is_hidden_matrix
from train.text import Tokenizer

COLOURS, SIZE_NAMES = list(OBJECT_COLOURS), list(SIZES)
THIRDS, LARGEST_COUNT = 3, 3
# Colour, size, third of the width, third of the height, number less one.
CLASSES = (len(COLOURS), len(SIZE_NAMES), THIRDS, THIRDS, LARGEST_COUNT)
UNKNOWN = -100                       # a question without an answer: cross_entropy's mark


def answers(sample: Sample) -> list[list[int]]:
    """For each shape's word of the caption, in order, the right class of each question."""
    objects = sample.scene.objects
    count = len(objects) if sample.scene.category == "count" else 1
    named = objects[:1] if count > 1 else objects
    return [[COLOURS.index(o.colour), SIZE_NAMES.index(o.size),
             *(UNKNOWN if count > 1 else at * THIRDS // PICTURE_SIZE for at in (o.x, o.y)),
             count - 1] for o in named]


class Reading(nn.Module):
    def __init__(self, width: int, tokenizer: Tokenizer, seed: int) -> None:
        super().__init__()
        self.tokenizer, self.seed, self.next = tokenizer, seed, 0
        self.questions = nn.Linear(width, sum(CLASSES))
        piece = tokenizer.processor.piece_to_id
        words = [*SHAPES, *(s + ("es" if s == "cross" else "s") for s in SHAPES)]
        self.register_buffer("shape_ids", torch.tensor([piece("\u2581" + w) for w in words]),
                             persistent=False)

    def forward(self, t5: T5Encoder, count: int) -> Tensor:
        """Cross-entropy over the next `count` captions, nats a question."""
        samples = [sample_usual(self.seed, self.next + i) for i in range(count)]
        self.next += count
        ids, mask = self.tokenizer.batch([s.caption for s in samples])
        features = t5(ids, mask)[torch.isin(ids, self.shape_ids)]            # [words, T]
        right = torch.tensor([answer for s in samples for answer in answers(s)])   # [words, questions]
        parts = self.questions(features).split(CLASSES, dim=1)
        return torch.stack([F.cross_entropy(part, right[:, i]) for i, part in enumerate(parts)]).mean()


def learn_to_read(t5: T5Encoder, tokenizer: Tokenizer, seed: int, steps: int = 400, captions: int = 64) -> None:
    """The lesson alone, before the pictures: half a minute for an encoder that knows nothing."""
    reading = Reading(t5.config.width, tokenizer, seed + 999)
    muon = Muon(t5)
    rest = [p for k, p in t5.named_parameters() if not is_hidden_matrix(k, p)]
    adam = torch.optim.AdamW([*rest, *reading.parameters()], lr=3e-3, weight_decay=0.0)
    for step in range(steps):
        t5.zero_grad(set_to_none=True)
        adam.zero_grad(set_to_none=True)
        loss = reading(t5, captions)
        loss.backward()
        adam.step()
        muon.step(0.01 * (1 - step / steps))
        if step % 100 == 99:
            print(f"reading, step {step + 1}: {loss.item():.3f} nats a question", flush=True)
