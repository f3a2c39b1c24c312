"""The model's own SentencePiece vocabulary, with T5's conventions for ids."""

from __future__ import annotations

import io
import string
from collections.abc import Sequence

import sentencepiece
import torch
from torch import Tensor

PAD, EOS, UNKNOWN = 0, 1, 2


def train_tokenizer(captions: Sequence[str], pieces: int) -> bytes:
    """The bytes of a unigram `spiece.model` for these captions.

    Every word of theirs is a piece, so that the text encoder need not spell;
    other words are spelt.
    """
    words = sorted({word for caption in captions for word in caption.split()})
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*captions, " ".join(string.ascii_lowercase)]), model_writer=model, model_type="unigram",
        vocab_size=pieces, hard_vocab_limit=False, character_coverage=1.0,
        user_defined_symbols=["\u2581" + word for word in words],
        pad_id=PAD, eos_id=EOS, unk_id=UNKNOWN, bos_id=-1, add_dummy_prefix=True,
        byte_fallback=False, num_threads=1, minloglevel=2,
        normalization_rule_name="identity")     # the usual table alone is 240 kB
    return model.getvalue()


class Tokenizer:
    def __init__(self, model: bytes) -> None:
        self.model = model
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    @property
    def vocab(self) -> int:
        return self.processor.vocab_size()

    def ids(self, text: str) -> list[int]:
        return self.processor.encode(text, out_type=int)[:511] + [EOS]

    def batch(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Padded ids [B, L] and the mask of real tokens [B, L]."""
        rows = [self.ids(text) for text in texts]
        length = max(len(row) for row in rows)
        ids = torch.full((len(rows), length), PAD)
        mask = torch.zeros(len(rows), length, dtype=torch.bool)
        for i, row in enumerate(rows):
            ids[i, :len(row)] = torch.tensor(row)
            mask[i, :len(row)] = True
        return ids, mask
