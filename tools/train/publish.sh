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

# The prompts of the calibration: ten captions of the training world.
prompts=$(mktemp --suffix .txt)
trap 'rm -f "$prompts"' EXIT
PYTHONPATH=tools "$python" -c 'from shapes.usual import sample_usual
for i in range(10):
    print(sample_usual(60, i).caption)' > "$prompts"
rm -f "$calibration"
"$scalekv" calibrate --model "$model" --prompts "$prompts" -o "$calibration"
echo "Build again: model and calibration are part of the program."
