# make test           where you stand, and what to do next          EX=3  TREE=solutions  JSON=report.json
# make hint EX=2      the next hint
# make instructor     what grading needs, and whether this machine can: then python -m grading grade
# make check          the kit's own tests          make stubs, make bench, make mutants: for its developers

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
.PHONY: test hint instructor stubs check golden system bench mutants
.DEFAULT_GOAL := test

test: .venv/student
	@$(BIN)/python -m tests.coach test --ex '$(EX)' --tree '$(TREE)' --json '$(JSON)'

hint: .venv/student
	@$(BIN)/python -m tests.coach hint --ex '$(EX)'

instructor: .venv/instructor
	@$(BIN)/python -m grading doctor

stubs: .venv/developer
	@$(BIN)/python -m grading.stubs

check: system .venv/developer
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "ruff format would change files: .venv/bin/ruff format ." >&2; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/python -m pytest --quiet --capture=fd -p no:cacheprovider --numprocesses 2 --dist loadfile grading/tests

golden: .venv/developer
	@$(BIN)/python -m grading.tests.test_golden

bench: .venv/developer
	@$(BIN)/python -m grading.bench

mutants: .venv/developer
	@$(BIN)/python -m grading.mutants

system:
	@sh grading/system.sh

# A stamp is written when everything is installed: the second run finds it and asks no network.
.venv/student: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed. If you have one under another name: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing. On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 2; }
	@echo "Making .venv and installing PyTorch and the test tools into it: once, a few minutes." >&2
	@$(PYTHON) -m venv .venv
	@$(if $(TORCH_INDEX),$(PIP) --index-url $(TORCH_INDEX) torch)
	@$(PIP) $$($(DEPENDENCIES))
	@touch $@

.venv/instructor: .venv/student
	@$(PIP) $$($(DEPENDENCIES) instructor)
	@$(BIN)/python -c 'import os, pathlib, sysconfig; \
	  pathlib.Path(sysconfig.get_path("purelib"), "pytorch-workflow.pth").write_text(os.getcwd() + "\n")'
	@touch $@

.venv/developer: .venv/instructor
	@$(PIP) $$($(DEPENDENCIES) dev)
	@touch $@
