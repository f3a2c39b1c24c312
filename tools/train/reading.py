"""A lesson for the text encoder: at each shape's word, which object is meant.

Bits of a picture teach slowly which colour and place belong to which of two
shapes. So linear layers, used in training only, read from the encoder's
features at the word of a shape the colour, the size, the place and the number
of the objects that the word stands for, and at the word "background" its colours.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference.t5 import T5Encoder
from shapes.captions import Sample, plural
from shapes.usual import sample_usual
from shapes.world import BACKGROUND_COLOURS, OBJECT_COLOURS, PICTURE_SIZE, SHAPES, SIZES
from train.muon import Muon, is_hidden_matrix
from train.text import Tokenizer

COLOURS, SIZE_NAMES, GROUNDS = list(OBJECT_COLOURS), list(SIZES), list(BACKGROUND_COLOURS)
THIRDS, LARGEST_COUNT = 3, 3
# Colour, size, third of the width, third of the height, number less one.
OBJECT_CLASSES = (len(COLOURS), len(SIZE_NAMES), THIRDS, THIRDS, LARGEST_COUNT)
# First colour of the background, second colour or none.
GROUND_CLASSES = (len(GROUNDS), len(GROUNDS) + 1)
UNKNOWN = -100                       # a question without an answer: cross_entropy's mark


def object_answers(sample: Sample) -> list[list[int]]:
    """For each shape's word of the caption, in order, the right class of each question."""
    objects = sample.scene.objects
    count = len(objects) if sample.scene.category == "count" else 1
    named = objects[:1] if count > 1 else objects
    return [[COLOURS.index(o.colour), SIZE_NAMES.index(o.size),
             *(UNKNOWN if count > 1 else at * THIRDS // PICTURE_SIZE for at in (o.x, o.y)),
             count - 1] for o in named]


def ground_answers(sample: Sample) -> list[list[int]]:
    """The same for the word "background", where the caption has it."""
    if sample.constraints["background"] is None:
        return []
    first, *second = (GROUNDS.index(name) for name in sample.scene.background.colours)
    return [[first, *(second or [len(GROUNDS)])]]


class Reading(nn.Module):
    def __init__(self, width: int, tokenizer: Tokenizer, seed: int) -> None:
        super().__init__()
        self.tokenizer, self.seed, self.next = tokenizer, seed, 0
        self.objects = nn.Linear(width, sum(OBJECT_CLASSES))
        self.ground = nn.Linear(width, sum(GROUND_CLASSES))
        self.shape_ids = self.ids_of([*SHAPES, *map(plural, SHAPES)])
        self.ground_ids = self.ids_of(["background"])

    def ids_of(self, words: list[str]) -> Tensor:
        return torch.tensor([self.tokenizer.processor.piece_to_id("\u2581" + word) for word in words])

    def forward(self, t5: T5Encoder, count: int) -> Tensor:
        """Cross-entropy over the next `count` captions, nats a question."""
        samples = [sample_usual(self.seed, self.next + i) for i in range(count)]
        self.next += count
        ids, mask = self.tokenizer.batch([s.caption for s in samples])
        features = t5(ids, mask)                                             # [B, L, T]
        losses = []
        for words, questions, classes, answers in (
                (self.shape_ids, self.objects, OBJECT_CLASSES, object_answers),
                (self.ground_ids, self.ground, GROUND_CLASSES, ground_answers)):
            right = torch.tensor([answer for s in samples for answer in answers(s)])   # [words, questions]
            parts = questions(features[torch.isin(ids, words)]).split(classes, dim=1)
            losses += [F.cross_entropy(part, right[:, i]) for i, part in enumerate(parts)]
        return torch.stack(losses).mean()


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
