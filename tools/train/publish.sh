#!/usr/bin/env bash
# Make a run's averaged weights the embedded model, with all that follows from them:
# tools/train/publish.sh <run folder>. Training may go on meanwhile.
set -euo pipefail
cd "$(dirname "$0")/../.."
run=$1
python=${PYTHON:-.venv-tools/bin/python}
scalekv=${SCALEKV:-build/release/scalekv}
model=models/shapes-7s.safetensors
calibration=models/shapes-7s.calibration.json

"$python" tools/train/export.py --run "$run" --out "$model"
"$python" tools/train/report.py --model "$model" --run "$run" --out models
"$python" tools/fixtures/make_fixture.py --model "$model" --out tests/data/embedded.safetensors

"$scalekv" calibrate --model "$model" --prompts models/calibration-prompts.txt --fresh -o "$calibration" \
  --plot docs/selectivity.svg --plot-heads docs/selectivity-heads.svg
echo "Build again: model and calibration are part of the program."
