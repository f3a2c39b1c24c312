"""One model file: transformer, text encoder, tokenizer and vocabulary together.

Tensors: `gpt.*`, `vae.*`, `t5.*` under their published names, and
`tokenizer.spiece`, the bytes of a SentencePiece model. Matrices and
convolutions are bfloat16, everything else float32. The metadata holds
`format`, `format_version` and `config` (JSON text).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .infinity import Infinity, InfinityConfig
from .t5 import T5Config, T5Encoder
from .vae import Vae, VaeConfig

FORMAT = "scalekv.model"
FORMAT_VERSION = "1"
SPIECE_KEY = "tokenizer.spiece"


@dataclass
class ModelFile:
    gpt: Infinity
    vae: Vae
    t5: T5Encoder
    spiece: bytes
    config: dict[str, Any]


def describe(name: str, infinity: InfinityConfig, vae: VaeConfig, t5: T5Config,
             defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The `config` entry of the metadata."""
    return {
        "name": name,
        "infinity": {
            "depth": infinity.depth, "width": infinity.width, "heads": infinity.heads,
            "block_chunks": infinity.block_chunks, "text_width": infinity.text_width,
            "bits": infinity.bits, "patchify": False, "rope_reference": "1M",
            "text_max": infinity.text_max, "scale_presets": ["0.06M"],
        },
        "vae": {"codebook": vae.codebook, "stride": vae.stride, "base": vae.base,
                "ch_mult": list(vae.ch_mult), "res_blocks": vae.res_blocks},
        "t5": {"layers": t5.layers, "width": t5.width, "heads": t5.heads,
               "head_size": t5.head_size, "ff": t5.ff, "vocab": t5.vocab, "eps": t5.eps,
               "buckets": t5.buckets, "max_distance": t5.max_distance},
        "defaults": dict(defaults),
        "pixels_per_token": vae.stride,
    }


def stored(name: str, tensor: Tensor) -> Tensor:
    """Matrices and convolution kernels in bfloat16, all else in float32."""
    small = tensor.dim() < 2 or name.endswith(("ada_gss", "scale_mul_1H11", "pos_start", ".mat_q"))
    return tensor.detach().to(torch.float32 if small else torch.bfloat16).contiguous()


def save_model(path: Path, gpt: Mapping[str, Tensor], vae: Mapping[str, Tensor],
               t5: Mapping[str, Tensor], spiece: bytes, config: Mapping[str, Any]) -> None:
    tensors: dict[str, Tensor] = {}
    for prefix, state in (("gpt.", gpt), ("vae.", vae), ("t5.", t5)):
        tensors.update({prefix + k: stored(k, v) for k, v in state.items()})
    tensors[SPIECE_KEY] = torch.frombuffer(bytearray(spiece), dtype=torch.uint8).clone()
    metadata = {"format": FORMAT, "format_version": FORMAT_VERSION,
                "config": json.dumps(config, separators=(",", ":"))}
    save_file(tensors, path, metadata=metadata)


def load_model(path: Path) -> ModelFile:
    """Everything in float32, in evaluation mode. Names and shapes must match exactly."""
    with safe_open(path, framework="pt") as source:
        metadata = source.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError(f"{path}: format is {metadata.get('format')!r}, expected {FORMAT!r}")
        config = json.loads(metadata["config"])
        tensors = {k: source.get_tensor(k) for k in source.keys()}
    spiece = bytes(tensors.pop(SPIECE_KEY).numpy().tobytes())

    def part(prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix):]: v.float() for k, v in tensors.items() if k.startswith(prefix)}

    described = config["infinity"]
    gpt = Infinity(InfinityConfig(
        depth=described["depth"], width=described["width"], heads=described["heads"],
        block_chunks=described["block_chunks"], text_width=described["text_width"],
        bits=described["bits"], text_max=described["text_max"]))
    vae = Vae(VaeConfig(**{**config["vae"], "ch_mult": tuple(config["vae"]["ch_mult"])}))
    t5 = T5Encoder(T5Config(**config["t5"]))
    for module, prefix in ((gpt, "gpt."), (vae, "vae."), (t5, "t5.")):
        module.load_state_dict(part(prefix))
        module.eval().requires_grad_(False)
    return ModelFile(gpt, vae, t5, spiece, config)
