#!/usr/bin/env bash
# Runs check-golden over every fixture in ${SCALEKV_SHARED:-<source>/../shared}/goldens.
# Usage: run.sh CHECK_GOLDEN SOURCE_DIR
set -euo pipefail

goldens="${SCALEKV_SHARED:-$2/../shared}/goldens"
if [ ! -d "$goldens" ]; then
  echo "SKIPPED: there is no $goldens; set SCALEKV_SHARED to the folder that holds goldens/"
  exit 77
fi
shopt -s nullglob
fixtures=("$goldens"/*.safetensors "$goldens"/units/*.safetensors "$goldens"/units/*.json)
if [ ${#fixtures[@]} -eq 0 ]; then
  echo "SKIPPED: there are no fixtures in $goldens"
  exit 77
fi
exec "$1" "${fixtures[@]}"
