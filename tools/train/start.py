"""What a training of the transformer begins with: untrained weights, or a model file's."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from reference.infinity import Infinity, InfinityConfig
from reference.model_file import load_model
from reference.t5 import T5Config, T5Encoder
from reference.vae import Vae
from shapes.captions import sample
from train.common import save_atomically
from train.reading import learn_to_read
from train.text import Tokenizer, train_tokenizer


class TextToImage(nn.Module):
    """Text encoder and transformer, trained together."""

    def __init__(self, t5: T5Config, infinity: InfinityConfig) -> None:
        super().__init__()
        self.t5 = T5Encoder(t5)
        self.gpt = Infinity(infinity)


def load_vae(path: Path) -> Vae:
    saved = torch.load(path, weights_only=False)
    vae = Vae(saved["config"])
    vae.load_state_dict(saved["average"])
    return vae.eval().requires_grad_(False)


def keep_blocks(state: Mapping[str, Tensor], config: InfinityConfig, keep: Sequence[int]
                ) -> dict[str, Tensor]:
    """The transformer's weights without the blocks that are not in `keep`, renumbered."""
    old, new = config.depth // config.block_chunks, len(keep) // config.block_chunks
    prefix = "block_chunks"
    kept = {k: v for k, v in state.items() if not k.startswith(prefix)}
    for to, source in enumerate(keep):
        name = f"{prefix}.{source // old}.module.{source % old}."
        kept |= {f"{prefix}.{to // new}.module.{to % new}." + k.removeprefix(name): v
                 for k, v in state.items() if k.startswith(name)}
    return kept


def from_model_file(args: argparse.Namespace) -> tuple[TextToImage, bytes]:
    source = load_model(args.start)
    config, state = source.gpt.config, source.gpt.state_dict()
    if args.blocks:
        state = keep_blocks(state, config, args.blocks)
        config = replace(config, depth=len(args.blocks))
    spiece = new_tokenizer(args) if args.new_text else source.spiece
    model = TextToImage(replace(source.t5.config, vocab=Tokenizer(spiece).vocab), config)
    if args.new_text:        # what reads the features begins anew with them
        fresh = model.gpt.state_dict()
        state = {k: fresh[k] if k.startswith(("text_", "cfg_uncond")) else v for k, v in state.items()}
        learn_to_read(model.t5, Tokenizer(spiece), args.seed)
    else:
        model.t5.load_state_dict(source.t5.state_dict())
    model.gpt.load_state_dict(state)
    save_atomically({"config": source.vae.config, "average": source.vae.state_dict()},
                    args.out / "vae.pt")
    return model, spiece


def new_tokenizer(args: argparse.Namespace) -> bytes:
    return train_tokenizer([sample(args.seed, i).caption for i in range(6000)], args.pieces)


def untrained(args: argparse.Namespace) -> tuple[TextToImage, bytes]:
    spiece = new_tokenizer(args)
    t5 = T5Config(vocab=Tokenizer(spiece).vocab)
    bits = load_vae(args.out / "vae.pt").config.codebook
    model = TextToImage(t5, InfinityConfig(depth=args.depth, width=args.width, heads=args.heads,
                                           text_width=t5.width, bits=bits))
    learn_to_read(model.t5, Tokenizer(spiece), args.seed)
    return model, spiece


def begin(args: argparse.Namespace) -> None:
    """Write the transformer.pt of step 0 and, with --start, vae.pt."""
    torch.manual_seed(args.seed)
    model, spiece = from_model_file(args) if args.start else untrained(args)
    save_atomically({"model": model.state_dict(), "average": None, "tokenizer": spiece,
                     "t5_config": model.t5.config, "config": model.gpt.config, "step": 0,
                     "elapsed": 0.0}, args.out / "transformer.pt")
