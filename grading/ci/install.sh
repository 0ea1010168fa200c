#!/usr/bin/env bash
# Install what grading needs, in the versions that the kit is tested with, for the interpreter PYTHON (python3).
set -euo pipefail

python=$(command -v "${PYTHON:-python3}")
# Python imports from the folder it is started in, and pip does too: that must not be the student's.
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

read -ra needed < <("$python" -c '
import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], "typer")')
pip=("$python" -m pip install --quiet --disable-pip-version-check --root-user-action ignore)
# PyTorch for the CPU is a tenth of the one for GPUs, and has an index of its own, which lacks the other packages.
"${pip[@]}" --constraint constraints.txt --no-deps \
  --index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" torch
"${pip[@]}" --constraint constraints.txt "${needed[@]}"
