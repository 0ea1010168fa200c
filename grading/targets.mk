# What instructors, CI and the kit's developers run; a part of the Makefile. A student's copy of the kit has none of it.
#
# make instructor     what grading needs, and whether this machine can: then python -m grading grade
# make demo           a class of thirty, made from the kit's own tests, graded: dist/demo/results/class.html
# make bundle         dist/pytorch-workflow.zip, for students         WITH_CI=github|gitlab  KIT=owner/repository@commit
# make check          the kit's own tests        ALL=1 every entry of the corpora in every way: half an hour
# make stubs golden bench mutants      what is generated: exercises, screens, figures; changed solutions
# make soak           10,000 submissions in one batch: most of an hour

WITH_CI ?=
ALL ?=
KIT ?=

.PHONY: instructor demo bundle check stubs golden bench mutants soak system

instructor: .venv/instructor
	@$(BIN)/python -m grading doctor

demo: .venv/instructor
	@$(BIN)/python -m grading.demo

bundle: .venv/instructor
	@$(BIN)/python -m grading bundle --with-ci '$(WITH_CI)' --kit '$(KIT)'

check: system .venv/developer
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "ruff format would change files: .venv/bin/ruff format ." >&2; exit 1; }
	@$(BIN)/mypy
	@ALL='$(ALL)' $(BIN)/python -m pytest --quiet --capture=fd -p no:cacheprovider --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations=20 grading/tests

stubs: .venv/developer
	@$(BIN)/python -m grading.stubs

golden: .venv/developer
	@$(BIN)/python -m grading.tests.test_golden

bench: .venv/developer
	@$(BIN)/python -m grading.bench

mutants: .venv/developer
	@$(BIN)/python -m grading.mutants

soak: .venv/developer
	@$(BIN)/python -m grading.bench.soak

system:
	@sh grading/system.sh

.venv/instructor: .venv/student
	@$(PIP) $$($(DEPENDENCIES) instructor)
	@$(BIN)/python -c 'import os, pathlib, sysconfig; \
	  pathlib.Path(sysconfig.get_path("purelib"), "pytorch-workflow.pth").write_text(os.getcwd() + "\n")'
	@touch $@

.venv/developer: .venv/instructor
	@$(PIP) $$($(DEPENDENCIES) dev)
	@touch $@
