#!/bin/sh
# Make the virtual environment of the Python tools. Usage: tools/setup.sh [folder]
# The folder defaults to .venv-tools in the current directory; PYTHON names the
# interpreter to use (3.11 or later).
set -eu

here=$(CDPATH="" cd -- "$(dirname -- "$0")" && pwd)
folder=${1:-.venv-tools}

"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet -r "$here/requirements.txt"
echo "ready: $folder/bin/python"
