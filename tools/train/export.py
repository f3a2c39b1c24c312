"""Write the weights of a training run as one model file.

    python export.py --run run --out ../../models/shapes-7s.safetensors

--weights says which: the moving average (best after long training), or the
last step's (best after a short one, whose average still remembers the start).
With --random the file has untrained weights: enough to work on the format.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reference.infinity import Infinity, InfinityConfig        # noqa: E402
from reference.model_file import describe, load_model, save_model   # noqa: E402
from reference.t5 import T5Config, T5Encoder                   # noqa: E402
from reference.vae import Vae                                  # noqa: E402
from shapes.captions import sample                             # noqa: E402
from train.text import Tokenizer, train_tokenizer              # noqa: E402

DEFAULTS = {"size": "0.06M", "cfg": 1.5, "tau": 0.5, "top_p": 0.97, "cache_policy": "scalekv"}
SIZE_LIMIT = 16_000_000    # bytes the repository is willing to carry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="folder with vae.pt and transformer.pt")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    parser.add_argument("--weights", choices=("average", "last"), default="average")
    parser.add_argument("--name", default="shapes-7s")
    parser.add_argument("--cfg", type=float, default=DEFAULTS["cfg"], help="default guidance")
    parser.add_argument("--tau", type=float, default=DEFAULTS["tau"], help="default temperature")
    parser.add_argument("--top-p", type=float, default=DEFAULTS["top_p"])
    parser.add_argument("--random", action="store_true", help="untrained weights, needs no --run")
    args = parser.parse_args()
    if args.random == (args.run is not None):
        parser.error("give either --run or --random")
    defaults = DEFAULTS | {"cfg": args.cfg, "tau": args.tau, "top_p": args.top_p}
    if args.random:
        torch.manual_seed(1)
        spiece = train_tokenizer([sample(40, i).caption for i in range(6000)], 192)
        vae, infinity = Vae(), InfinityConfig()
        t5 = T5Config(vocab=Tokenizer(spiece).vocab)
        states = Infinity(infinity).state_dict(), vae.state_dict(), T5Encoder(t5).state_dict()
    else:
        saved_vae = torch.load(args.run / "vae.pt", weights_only=False)
        saved = torch.load(args.run / "transformer.pt", weights_only=False)
        vae, infinity, t5 = Vae(saved_vae["config"]), saved["config"], saved["t5_config"]
        vae.load_state_dict(saved_vae["average"])
        # Averages hold the parameters; buffers (zero_k_bias) come from the model.
        both = dict(saved["model"])
        if args.weights == "average":
            both |= saved["average"]
        states = ({k[4:]: v for k, v in both.items() if k.startswith("gpt.")}, vae.state_dict(),
                  {k[3:]: v for k, v in both.items() if k.startswith("t5.")})
        spiece = saved["tokenizer"]
    config = describe(args.name, infinity, vae.config, t5, defaults)
    partial = args.out.with_suffix(".part")
    save_model(partial, *states, spiece, config)
    load_model(partial)              # every name and shape, before the old file goes
    partial.chmod(0o644)             # safetensors leaves it to the owner alone
    partial.replace(args.out)
    size = args.out.stat().st_size
    print(f"{args.out}: {size} bytes")
    if size > SIZE_LIMIT:
        sys.exit(f"larger than the limit of {SIZE_LIMIT} bytes")


if __name__ == "__main__":
    main()
