"""Our engine beside PyTorch on the same CPU, alternating, in one run.

Both draw with random weights of a released model's sizes, the same prompt
length, picture size and guidance; times and memory do not depend on the
values. PyTorch runs the model of this folder with its full cache, in float32
and under bf16 autocast, with torch.nn.functional.scaled_dot_product_attention.
Ours is `scalekv bench --json`. Every run is a process of its own, so that none
takes memory from the next. Text encoder and VAE are left
out: what is compared is the transformer.

    python -m tools.reference.bench_peer --scalekv build/release/scalekv \\
        --arch infinity-2b --size 0.25M --rounds 3 \\
        --ours "--policy full" --ours "--budget 10% --weights int8"
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shlex
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import torch

from .generate import generate
from .infinity import Infinity, InfinityConfig
from .schedule import PRESET_SCALES, SQUARE_1M

# name: layers, width, heads, chunks, bits
ARCHITECTURES = {
    "infinity-2b": (32, 2048, 16, 8, 32),
    "layer12": (12, 768, 8, 4, 32),
    "layer16": (16, 1152, 12, 4, 32),
    "layer24": (24, 1536, 16, 4, 32),
    "layer32": (32, 2080, 20, 4, 32),
    "layer40": (40, 2688, 24, 4, 32),
    "layer48": (48, 3360, 28, 4, 32),
}


def sizes_of(arch: str) -> tuple[int, int, int, int, int]:
    """The entry of a name; with "infinity-2b:8" of the first 8 layers."""
    name, _, layers = arch.partition(":")
    depth, width, heads, chunks, bits = ARCHITECTURES[name]
    if not layers:
        return depth, width, heads, chunks, bits
    if not 1 <= int(layers) <= depth:
        raise ValueError(layers)
    return int(layers), width, heads, 1, bits


def build(arch: str, dtype: torch.dtype) -> Infinity:
    depth, width, heads, chunks, bits = sizes_of(arch)
    with torch.device("meta"):
        model = Infinity(InfinityConfig(depth, width, heads, chunks, 2048, bits))
    model = model.to(dtype).to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        # Sums over a row's inputs keep unit size; vectors stay small.
        scale = parameter.shape[-1] ** -0.5 if parameter.dim() == 2 else 0.1
        parameter.data.uniform_(-1.7 * scale, 1.7 * scale, generator=generator)
    for buffer in model.buffers():
        buffer.zero_()
    return model


def run_torch(options: argparse.Namespace, bf16: bool) -> tuple[float, float]:
    """Seconds of the transformer, and GB of memory at most."""
    torch.set_num_threads(options.threads)
    model = build(options.arch, torch.float32)
    count = options.scales or PRESET_SCALES[options.size]
    schedule = SQUARE_1M[:count]
    features = torch.randn(options.batch, options.prompt_tokens, model.config.text_width,
                           generator=torch.Generator().manual_seed(1))
    mask = torch.ones(options.batch, options.prompt_tokens, dtype=torch.bool)
    random = torch.Generator().manual_seed(2)

    def choose(scale: int, logits: torch.Tensor) -> torch.Tensor:
        bits = torch.rand(logits.shape[:-1], generator=random) < logits.softmax(-1)[..., 1]
        return bits.unflatten(1, schedule[scale])

    start = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        generate(model, features, mask, schedule, choose, cfg=options.cfg)
    seconds = time.perf_counter() - start
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def run_torch_apart(options: argparse.Namespace, bf16: bool) -> tuple[float, float]:
    """run_torch() in a process that ends with it."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        return executor.submit(run_torch, options, bf16).result()


def run_ours(options: argparse.Namespace, extra: str) -> dict:
    command = [options.scalekv, "bench", "--arch", options.arch, "--random", "--no-text-encoder", "--no-decode",
               "--size", options.size, "--batch", str(options.batch), "--scales", str(options.scales),
               "--prompt-tokens", str(options.prompt_tokens), "--cfg", str(options.cfg),
               "--threads", str(options.threads), "--json", *shlex.split(extra)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scalekv", default="build/release/scalekv")
    parser.add_argument("--arch", default="layer12", help=f"{', '.join(ARCHITECTURES)}; infinity-2b:8: its first 8 layers")
    parser.add_argument("--size", default="0.25M", choices=PRESET_SCALES)
    parser.add_argument("--scales", type=int, default=0, help="only the first scales; 0: all of the size")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--prompt-tokens", type=int, default=32)
    parser.add_argument("--cfg", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=1, help="rounds before those that count; 0 where one takes an hour")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--dtypes", default="f32,bf16", help="of PyTorch: f32, bf16 or both")
    parser.add_argument("--ours", action="append", help="options of ours, e.g. '--budget 10%% --weights int8'; "
                                                        "several times for several runs")
    options = parser.parse_args()
    try:
        sizes_of(options.arch)
    except (KeyError, ValueError):
        parser.error(f"--arch: there is no {options.arch}; choose one of {', '.join(ARCHITECTURES)}, or NAME:LAYERS")
    ours = options.ours or ["--policy full", "--budget 10%"]
    dtypes = options.dtypes.split(",")
    if unknown := set(dtypes) - {"f32", "bf16"}:
        parser.error(f"--dtypes: {', '.join(sorted(unknown))}: choose f32, bf16 or both")

    times: dict[str, list[float]] = {}
    kv: dict[str, float] = {}
    torch_memory = 0.0
    for number in range(-options.warm_up, options.rounds):
        counts = number >= 0
        for dtype in dtypes:
            seconds, memory = run_torch_apart(options, dtype == "bf16")
            torch_memory = max(torch_memory, memory)
            if counts:
                times.setdefault(f"PyTorch {torch.__version__} {dtype}, full cache", []).append(seconds)
        for extra in ours:
            report = run_ours(options, extra)
            name = f"ours, {extra}"
            kv[name] = report["kv_bytes_peak"] / 1e6
            if counts:
                times.setdefault(name, []).append(report["seconds_transformer"])
        print(f"round {number + 1} of {options.rounds} done" if counts else "warmed up", file=sys.stderr)

    print(f"{options.arch}, {options.size}, scales {options.scales or 'all'}, batch {options.batch}, "
          f"{options.prompt_tokens} prompt tokens, cfg {options.cfg}, {options.threads} threads, "
          f"medians of {options.rounds} rounds; peak memory of PyTorch's process "
          f"{torch_memory:.2f} GB")
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        spread = f"{min(times[name]):.3f} to {max(times[name]):.3f}"
        cache = f", KV peak {kv[name]:.1f} MB" if name in kv else ""
        print(f"{name:<44} {median:9.3f} s  ({spread}){cache}")
    for name in kv:
        for peer, median in medians.items():
            if peer not in kv:
                print(f"{name}: {median / medians[name]:.2f}x as fast as {peer}")


if __name__ == "__main__":
    main()
