#!/usr/bin/env bash
# The embedded model from nothing: tools/train/make_model.sh [run folder] [minutes for the transformer]
# Can be stopped at any moment and started again. Needs tools/setup.sh and a built scalekv.
set -euo pipefail
cd "$(dirname "$0")/../.."
run=${1:-run}
minutes=${2:-240}
python=${PYTHON:-.venv-tools/bin/python}

if [ ! -e "$run/transformer.pt" ]; then      # it needs the tokenizer in its final state
  "$python" tools/train/train_vae.py --out "$run" --minutes 27
fi
"$python" tools/train/train_transformer.py --out "$run" --minutes "$minutes"
tools/train/publish.sh "$run"
