"""Check this model against tensors dumped from the published implementation.

    python check_fixtures.py tiny_006M_sq.safetensors [more.safetensors]

Every fixture carries its own random weights and forced bits. Prints the
largest error of each stage relative to the stage's largest value, and fails
above --tolerance.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reference.generate import forced, generate                  # noqa: E402
from reference.infinity import Infinity, InfinityConfig          # noqa: E402
from reference.quantizer import quantize                         # noqa: E402
from reference.vae import Vae, VaeConfig, to_model_range         # noqa: E402


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix):]: v for k, v in tensors.items() if k.startswith(prefix)}


def check_vae(tensors: dict[str, Tensor], config: dict) -> dict[str, float]:
    state = {k: v for k, v in part(tensors, "vae.").items() if not k.endswith("lfq.mask")}
    multiples = config["vae_dec_ch_mult"]
    vae = Vae(VaeConfig(codebook=config["codebook_dim"], base=config["vae_base_ch"],
                        ch_mult=tuple(multiples), res_blocks=2, stride=config["vae_patch"]))
    has_encoder = any(k.startswith("encoder.") for k in state)
    missing, unexpected = vae.load_state_dict(state, strict=False)
    if unexpected or any(not k.startswith("encoder.") or has_encoder for k in missing):
        raise SystemExit(f"VAE names differ: missing {missing}, unexpected {unexpected}")
    errors: dict[str, float] = {}
    with torch.no_grad():
        for name in [k[:-len("summed_codes")] for k in tensors if k.endswith("summed_codes")]:
            key = f"{name}img_f32_sub"
            if key not in tensors:
                continue
            picture = vae.decode(tensors[f"{name}summed_codes"]).clamp(-1, 1)
            stride = picture.shape[-1] // tensors[key].shape[-1]
            errors[f"{name}decode"] = relative_error(picture[..., ::stride, ::stride], tensors[key])
        if "dec.z" in tensors:
            picture = vae.decode(tensors["dec.z"])
            errors["dec.raw"] = relative_error(picture[..., ::2, ::2], tensors["dec.raw"])
        if "enc.image_u8" in tensors and has_encoder:
            latent = vae.encode(to_model_range(tensors["enc.image_u8"]))
            errors["enc.h"] = relative_error(latent, tensors["enc.h"].reshape(latent.shape))
            names = sorted((k for k in tensors if k.startswith("enc.bits.s")),
                           key=lambda k: int(k.rsplit("s", 1)[1]))
            schedule = [tuple(tensors[k].shape[-3:-1]) for k in names]
            total, bits = quantize(latent, schedule)
            errors["enc.z"] = relative_error(total, tensors["enc.z"].reshape(total.shape))
            for i, (ours, name) in enumerate(zip(bits, names)):
                wrong = (ours != tensors[name].reshape(ours.shape).bool()).sum()
                errors[f"enc.wrong_bits.s{i}"] = float(wrong)
    return errors


def check_transformer(tensors: dict[str, Tensor], config: dict) -> dict[str, float]:
    model = Infinity(InfinityConfig(
        depth=config["depth"], width=config["embed_dim"], heads=config["heads"],
        block_chunks=config["block_chunks"], text_width=config["text_channels"],
        bits=config["codebook_dim"]))
    model.load_state_dict(part(tensors, "gpt."))               # strict: every name, every shape
    schedule = [(int(h), int(w)) for _, h, w in tensors["in.scale_schedule"]]
    bits = [tensors[f"in.bits.s{i}"].squeeze(1) for i in range(len(schedule))]
    text = tensors["in.kv_compact"][None]
    keep: dict[str, Tensor] = {}
    _, logits = generate(model, text, torch.ones(text.shape[:2], dtype=torch.bool), schedule,
                         forced(bits), cfg=tensors["in.cfg"].tolist(),
                         tau=tensors["in.tau"].tolist(), keep=keep)
    errors = {}
    for i, ours in enumerate(logits):
        ours = ours.flatten(2)                                  # index 2 * bit + value
        if f"pos.s{i}" in tensors:
            ours = ours[:, tensors[f"pos.s{i}"].long()]
        errors[f"full.logits.s{i}"] = relative_error(ours, tensors[f"full.logits.s{i}"])
    for name in ("txt.cond_BD", "txt.cond_gss", "txt.ca_kv"):
        errors[name] = relative_error(keep[name], tensors[name])
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fixtures", nargs="+", type=Path, help=".safetensors with a .json beside it")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="largest relative error")
    args = parser.parse_args()
    failed = False
    for path in args.fixtures:
        tensors = load_file(path)
        config = json.loads(path.with_suffix(".json").read_text())["config"]
        errors = check_vae(tensors, config)
        single = "in.kv_compact" in tensors and int(tensors["in.lens"].numel()) == 1
        if single and not config.get("apply_spatial_patchify"):
            errors |= check_transformer(tensors, config)
        for name, error in errors.items():
            verdict = "ok" if error <= args.tolerance else "FAIL"
            failed |= verdict != "ok"
            print(f"{path.stem:20} {name:24} {error:.2e} {verdict}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
