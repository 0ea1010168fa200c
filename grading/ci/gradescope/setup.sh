#!/usr/bin/env bash
# Gradescope runs this once, as root, while it builds the assignment's image: it installs what grading needs.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
source=${AUTOGRADER:-/autograder}/source
kit=$source/kit

# The kit needs Python 3.11 or newer. Ubuntu 22.04 has 3.10, and 3.11 beside it.
apt-get update -qq
if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  python=python3
  apt-get install -y -qq --no-install-recommends python3-venv
else
  python=python3.11
  apt-get install -y -qq --no-install-recommends python3.11 python3.11-venv
fi
"$python" -m venv "$source/.venv"
python=$source/.venv/bin/python

read -ra needed < <("$python" -c '
import sys, tomllib
print(*tomllib.load(open(sys.argv[1], "rb"))["project"]["dependencies"], "typer")' "$kit/pyproject.toml")
pip=("$python" -m pip install --quiet --disable-pip-version-check --root-user-action ignore)
# PyTorch for the CPU is a tenth of the one for GPUs, and has an index of its own, which lacks the other packages.
"${pip[@]}" --constraint "$kit/constraints.txt" --no-deps \
  --index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" torch
"${pip[@]}" --constraint "$kit/constraints.txt" "${needed[@]}"
