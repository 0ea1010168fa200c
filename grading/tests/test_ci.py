"""The templates for CI services: valid, pinned, and their own scripts run as each service runs them.

Every script grades the solution, three mistakes in one submission and three attacks in one; GitHub's, and with ALL
every one, the stubs. They are in different exercises, which are graded apart, so that one of them tells nothing about
another.
"""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from lxml import etree

from grading.tests import corpus
from grading.tests.processes import wait_until
from grading.tests.reports import validator, xsd
from grading.tests.services import CI, JOBS, KEY, MISTAKES, ROOT, WORKS, Ran, attacks, lay_out, run
from grading.tests.test_formats_safe import commands

SCRIPTS = sorted(f for f in CI.rglob("*") if f.is_file() and f.read_bytes().startswith(b"#!"))
GITHUB, GITLAB = CI / "github" / "grade.yml", CI / "gitlab" / "gitlab-ci.yml"
WORKS_OF = {s: [w for w in WORKS if corpus.ALL or s == "github" or w != "stubs"] for s in JOBS}
CASES = [(service, work) for service in JOBS for work in WORKS_OF[service]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Ran]:
    """Each script with each submission, once."""

    @functools.cache
    def once(service: str, work: str) -> Ran:
        return run(lay_out(service, work, tmp_path_factory.mktemp(service) / work))

    return once


# ── what is in the templates ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("schema", "file"), [("github-workflows", GITHUB), ("gitlab-ci", GITLAB)])
def test_a_template_keeps_to_the_published_schema(schema: str, file: Path) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(file)]
    found = subprocess.run(check, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_every_script_is_clean_and_can_be_run() -> None:
    assert len(SCRIPTS) == 5
    assert all(os.access(script, os.X_OK) for script in SCRIPTS)
    command = ["shellcheck", "--external-sources", *SCRIPTS, CI / "why.sh"]
    found = subprocess.run(command, cwd=CI.parents[1], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_actions_are_pinned_and_may_do_little() -> None:
    text, content = GITHUB.read_text(), yaml.safe_load(GITHUB.read_text())
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+(\.\d+\.\d+)?", action) for action in uses)
    assert content["permissions"] == {"contents": "read"}
    assert "permissions" not in content["jobs"]["grade"]
    assert content["jobs"]["grade"]["timeout-minutes"] <= 15
    steps = content["jobs"]["grade"]["steps"]
    assert not any("${{" in step.get("run", "") for step in steps)  # no text of others becomes a command
    checkouts = [step["with"] for step in steps if "checkout" in step.get("uses", "")]
    assert [checkout["persist-credentials"] for checkout in checkouts] == [False, False]
    assert len({checkout["path"] for checkout in checkouts}) == 2


@pytest.mark.parametrize("template", [GITHUB, GITLAB])
def test_the_kit_comes_from_elsewhere_at_a_fixed_commit(template: Path) -> None:
    text = template.read_text()
    assert (text.count("KIT_REPOSITORY"), text.count("KIT_COMMIT")) == (1, 1)
    called = re.findall(r"\bkit/(grading/\S+\.sh)", text)
    assert called == ["grading/ci/install.sh", f"grading/ci/{template.parent.name}/grade.sh"]
    assert all((ROOT / script).exists() for script in called)


# ── what the scripts do ──────────────────────────────────────────────────────────────────────────


def points(ran: Ran) -> tuple[dict[str, int], dict[str, int]]:
    """Of each test: what it earned, and what it is worth. By its title, which every service shows."""
    if (ran.wrote / "results.json").exists():
        content = json.loads(ran.read("results.json"))
        validator("gradescope").validate(content)
        assert content["score"] == sum(test["score"] for test in content["tests"])
        tests = [
            (test["name"].partition(": ")[2], test["score"], test["max_score"]) for test in content["tests"]
        ]
    else:
        tests = [(t.title, t.score, t.max_score) for e in ran.report.exercises for t in e.tests]
    return {title: score for title, score, _ in tests}, {title: most for title, _, most in tests}


@pytest.mark.parametrize(("service", "work"), CASES)
def test_the_points_are_right(service: str, work: str, ran: Callable[[str, str], Ran]) -> None:
    graded = ran(service, work)
    earned, most = points(graded)
    assert sum(most.values()) == 100
    titles = {
        test.id: test.title for each in ran("github", "solution").report.exercises for test in each.tests
    }
    if work == "attacks":
        costs = [cost for attack in attacks(service) for cost in attack.costs]
        lost = {
            title for id, title in titles.items() if any(f"{id}.".startswith(f"{cost}.") for cost in costs)
        }
        assert earned == {title: 0 if title in lost else points for title, points in most.items()}
    elif work == "mistakes":
        wrong = {mistake.fails.partition(".")[0] for mistake in MISTAKES} | {"workflow"}
        assert all(earned[titles[mistake.fails]] == 0 for mistake in MISTAKES)
        assert all(earned[t] == most[t] for id, t in titles.items() if id.partition(".")[0] not in wrong)
    else:
        assert sum(earned.values()) == {"stubs": 0, "solution": 100}[work]
    if service != "gradescope":
        assert graded.status == (0 if work == "solution" else 1)
        assert graded.report.isolation == {"github": "bubblewrap", "gitlab": "process"}[service]


@pytest.mark.parametrize("work", WORKS_OF["github"])
def test_github_shows_it_everywhere(work: str, ran: Callable[[str, str], Ran]) -> None:
    graded = ran("github", work)
    score = graded.report.score
    assert graded.read("summary").startswith(f"## {score} of 100 points\n")
    assert sum(test["score"] for test in graded.payload["tests"]) == score
    assert graded.payload["status"] == ("pass" if work == "solution" else "fail")
    said = [*commands(graded.printed)]
    assert [name for name, _ in said][-3:] == ["notice"] * 3
    assert {name for name, _ in said[:-3]} <= {"error"}
    assert f"::notice title=Autograding complete::Points {score}/100\n" in graded.printed
    assert f'::notice title=Autograding report::{{"totalPoints":{score},"maxPoints":100}}\n' in graded.printed


def test_github_annotates_the_students_lines(ran: Callable[[str, str], Ran]) -> None:
    graded = ran("github", "mistakes")
    for mistake in MISTAKES:
        file = f"exercises/{mistake.change.module}.py"
        lines = [
            line for line in graded.printed.splitlines() if line.startswith(f"::error file={file},line=")
        ]
        assert any(all(words in line for words in mistake.says) for line in lines), mistake.name
        assert all(words in graded.read("summary") for words in mistake.says)


@pytest.mark.parametrize("work", WORKS_OF["gitlab"])
def test_gitlab_gets_tests_and_findings(work: str, ran: Callable[[str, str], Ran]) -> None:
    graded = ran("gitlab", work)
    root = etree.fromstring(graded.read("junit.xml").encode())
    xsd().assertValid(root)
    assert (int(root.get("failures")) + int(root.get("errors")) == 0) == (work == "solution")
    found = json.loads(graded.read("codequality.json"))
    validator("codequality").validate(found)
    named = {finding["check_name"] for finding in found}
    assert named >= ({mistake.fails for mistake in MISTAKES} if work == "mistakes" else set())
    assert bool(found) == (work in ("mistakes", "attacks"))
    assert graded.printed.endswith(f"Score: {graded.report.score} / 100\n")


@pytest.mark.parametrize("work", WORKS_OF["gradescope"])
def test_gradescope_grades_with_the_course_key(work: str, ran: Callable[[str, str], Ran]) -> None:
    graded = ran("gradescope", work)
    assert graded.status == 0
    assert os.listdir(graded.wrote) == ["results.json"]
    content = json.loads(graded.read("results.json"))
    assert content["extra_data"]["variant"] == "secret"
    assert content["extra_data"]["isolation"] == "process"
    assert KEY.decode() not in graded.read("results.json") + graded.printed
    if work == "mistakes":
        words = "\n".join(test["output"] for test in content["tests"])
        assert all(part in words for mistake in MISTAKES for part in mistake.says)


# ── what they do when there is no mark ───────────────────────────────────────────────────────────


def why(service: str, ran: Ran) -> str:
    """The reason for there being no mark, where its reader finds it."""
    if service == "gradescope":
        content = json.loads(ran.read("results.json"))
        assert (ran.status, content["score"], content["tests"]) == (0, 0, [])
        return str(content["output"])
    assert ran.status == 2
    if service == "gitlab":
        root = etree.fromstring(ran.read("junit.xml").encode())
        xsd().assertValid(root)
        assert root.get("errors") == "1"
        assert json.loads(ran.read("codequality.json")) == []
        return str(root.find(".//error").text)
    assert ran.payload["status"] == "error"
    (said,) = commands(ran.printed)
    assert said[0] == "error"
    summary = ran.read("summary")
    assert re.fullmatch(r"## Not graded\n\n```text\n[^`]*\n```\n", summary)
    return summary


BROKEN = {  # what stands in for Python: what is said then
    "#!/bin/sh\nexec sleep 60": "had not ended after 0.3 seconds",
    "#!/bin/sh\nkill -9 $$": "was killed",
    "#!/bin/sh\nexit 1": "without a word, status 1",
    "#!/bin/sh\necho 'Not graded: a `b` <c> & \"d\" \\ 5%' >&2; exit 2": "a ",
    "#!/nowhere": "",  # Gradescope's students read that it could not be started, the others where that is
}


@pytest.mark.parametrize("service", JOBS)
@pytest.mark.parametrize("instead", BROKEN)
def test_a_grader_that_breaks_leaves_a_report(service: str, instead: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(instead + "\n")
    python.chmod(0o755)
    broken = run(lay_out(service, "stubs", tmp_path / "job"), PYTHON=str(python), MOST_SECONDS="0.3")
    assert BROKEN[instead] in why(service, broken)


def test_gradescope_has_a_result_even_when_everything_is_killed(tmp_path: Path) -> None:
    job = lay_out("gradescope", "stubs", tmp_path / "job")
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    # Nobody kills what `timeout` runs in a group of its own: it has to end by itself.
    environment = {"PATH": os.environ["PATH"], "PYTHON": str(python), "MOST_SECONDS": "1"}
    autograder = subprocess.Popen([job.script], env=job.environment | environment, start_new_session=True)
    assert wait_until(lambda: (job.writes / "results.json").exists())
    os.killpg(autograder.pid, signal.SIGKILL)
    autograder.wait()
    assert "did not come to an end" in why("gradescope", Ran(0, "", job.writes))


@pytest.mark.parametrize("service", JOBS)
def test_a_wrong_folder_is_told_in_the_graders_words(service: str, tmp_path: Path) -> None:
    job = lay_out(service, "stubs", tmp_path / "job")
    shutil.rmtree(tmp_path / "job" / "submission" / "exercises")
    assert "none of the modules ex1_dataset.py" in why(service, run(job))


def test_without_a_student_nothing_is_graded_with_a_key(tmp_path: Path) -> None:
    job = lay_out("gradescope", "stubs", tmp_path / "job")
    (tmp_path / "job" / "submission_metadata.json").write_text("{}")
    assert "did not say whose submission this is" in why("gradescope", run(job))


# ── what is installed ────────────────────────────────────────────────────────────────────────────


def test_installing_imports_nothing_of_the_students(tmp_path: Path) -> None:
    """Python looks for modules in the folder it is started in; GitLab starts scripts in the student's."""
    for name in ("tomllib.py", "pip.py", "typing.py"):
        (tmp_path / name).write_text("raise SystemExit('the student runs as root')\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$2" = pip ] && echo "$*" && exec "{sys.executable}" -c "import pip"\n'
                      f'exec "{sys.executable}" "$@"\n')  # fmt: skip
    python.chmod(0o755)
    done = subprocess.run(
        [CI / "install.sh"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = done.stdout.splitlines()
    assert first.endswith("--no-deps --index-url https://download.pytorch.org/whl/cpu torch")
    assert second.endswith(" typer")
    assert all("--constraint constraints.txt" in line for line in (first, second))
