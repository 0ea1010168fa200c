# make test           where you stand, and what to do next          EX=3  TREE=folder  JSON=report.json
# make watch          the same, at every save                       EX=3
# make hint EX=2      the next hint
# make plots          what your code draws, into plots/
# make reset EX=2     the stub again; your file is kept beside it
#
# Without make: python -m tests.coach test|watch|hint|plots|reset. In the whole kit: more in grading/targets.mk.

PYTHON ?= python3
TORCH_INDEX ?=
EX ?=
TREE ?=
JSON ?=

BIN := .venv/bin
DEPENDENCIES = $(BIN)/python -c 'import sys, tomllib; \
  p = tomllib.load(open("pyproject.toml", "rb"))["project"]; extra = p.get("optional-dependencies", {}); \
  print(*p["dependencies"], *(d for name in sys.argv[1:] for d in extra[name]))'
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

MAKEFLAGS += --no-print-directory
.PHONY: test watch hint plots reset
.DEFAULT_GOAL := test

test: .venv/student
	@$(BIN)/python -m tests.coach test --ex '$(EX)' --tree '$(TREE)' --json '$(JSON)'

watch: .venv/student
	@$(BIN)/python -m tests.coach watch --ex '$(EX)' --tree '$(TREE)'

hint: .venv/student
	@$(BIN)/python -m tests.coach hint --ex '$(EX)'

plots: .venv/student
	@$(BIN)/python -m tests.coach plots --tree '$(TREE)'

reset: .venv/student
	@$(BIN)/python -m tests.coach reset --ex '$(EX)'

# A stamp is written when everything is installed: the second run finds it and asks no network.
.venv/student: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed. If you have one under another name: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing. On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 2; }
	@echo "Making .venv and installing PyTorch and the test tools into it: once, a few minutes." >&2
	@$(PYTHON) -m venv .venv
	@$(if $(TORCH_INDEX),$(PIP) --no-deps --index-url $(TORCH_INDEX) torch)
	@$(PIP) $$($(DEPENDENCIES))
	@touch $@

-include grading/targets.mk
