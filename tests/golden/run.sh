#!/usr/bin/env bash
# Runs check-golden over the committed fixtures and, where there are any, over the large ones in
# ${SCALEKV_SHARED:-<source>/../shared}/goldens.
# Usage: run.sh CHECK_GOLDEN SOURCE_DIR
set -euo pipefail

shopt -s nullglob
fixtures=("$2"/tests/data/golden/*)
[ ${#fixtures[@]} -gt 0 ] || { echo "FAILED: there are no fixtures in $2/tests/data/golden"; exit 1; }

goldens="${SCALEKV_SHARED:-$2/../shared}/goldens"
large=("$goldens"/*.safetensors "$goldens"/units/*.safetensors "$goldens"/units/*.json)
status=0
"$1" "${fixtures[@]}" "${large[@]}" || status=$?
if [ ${#large[@]} -eq 0 ]; then
  echo "SKIPPED: the large fixtures: there are none in $goldens; set SCALEKV_SHARED to the folder that holds goldens/."
  echo "SKIPPED: checked were the committed fixtures alone: conditioning, one block, ScaleKV's selections, units."
fi
exit $status
