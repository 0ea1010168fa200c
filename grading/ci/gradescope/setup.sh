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
PYTHON=$source/.venv/bin/python "$kit/grading/ci/install.sh"
