"""Attacks come to nothing: a submission is worth what its honest part is worth, and the machine is as it was.

Every attack is graded as any submission is, with a course key, several at a time, honest ones between them: as modules
under both isolations, and as a notebook in an nbgrader course. Without ALL, samples of them under the second isolation
and in the course; and of those that compute until they are stopped, all but one are stopped sooner (hasty.py).
"""

import contextlib
import functools
import os
import re
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from grading.formats import FORMATS
from grading.grade import grade
from grading.submissions import read
from grading.tests import corpus, courses, forger, suite
from grading.tests.processes import descendants, processes, wait_until
from grading.tests.test_grade import KEY, STUDENT, numbers
from grading.variants import derive
from grading.warm import Helper
from tests import limits
from tests.coach import curriculum
from tests.coach.report import Report

ATTACKS = {attack.name: attack for attack in corpus.attacks()}
GROUP = 8  # attacks that one process grades
HONEST_EVERY = 10  # groups, a solution is graded
AT_ONCE = 4  # gradings: some attacks only wait
EXERCISES = [exercise.id for exercise in curriculum.load()]
PORTS = (8000, 8080, 8888, 47_000, 47_001, 47_002)  # that the attacks call
NAMES = ("pytorch-workflow", "grader")  # … of abstract sockets
MEMORY = 300 << 20  # bytes, that judging an observation may take
# Limits stop these, the same ones wherever a submission is graded.
LIMITED = {"fork bomb", "memory bomb", "endless loop", "endless output", "huge observation"}
LIMITS = {name for name, attack in ATTACKS.items() if attack.slow or LIMITED & {*attack.field}}
KINDS = {kind: [name for name, attack in ATTACKS.items() if kind in attack.field] for kind in corpus.ATTACKS}
ONES = {
    min(names, key=lambda name: name in LIMITS) for names in KINDS.values()
}  # none that a limit stops, if it may be
SLOW = [name for name, attack in ATTACKS.items() if attack.slow]


def some(every: int) -> list[str]:
    """One of every kind, and every so many of those that no limit has to stop."""
    return [
        name
        for number, name in enumerate(ATTACKS)
        if name in ONES or ((corpus.ALL or number % every == 0) and name not in LIMITS)
    ]


CASES = [("bubblewrap", name) for name in ATTACKS] + [("process", name) for name in some(10)]
IN_A_COURSE = [name for name in some(6) if name not in LIMITS]


class Graded(NamedTuple):
    report: Report
    memory: int  # bytes that the judging process grew by


class Battle(NamedTuple):
    """All attacks under one isolation, and what the machine was like before and after."""

    attacks: dict[str, Graded]
    honest: list[Report]
    heard: list[str]
    before: dict[str, object]
    after: dict[str, object]
    strays: set[str]  # processes and files of other users that were not there before


def graded(helper: Helper, folders: list[Path]) -> list[Graded]:
    """As always; or the run that decides alone, where the second one, for words, would only take the same time again."""
    found: list[Graded] = []
    before, given = most_memory(), derive(KEY, STUDENT)

    def done(_: object, report: Report, __: object) -> None:
        found.append(Graded(report, most_memory() - before))

    if helper.isolation == "bubblewrap" and folders[0].name not in LIMITS:
        grade([(read(folder), given) for folder in folders], done, helper)
    else:
        for folder in folders:
            done(None, suite.points_in_jail(helper, folder, given), None)
    return found


def most_memory() -> int:
    """Bytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@pytest.fixture(scope="module")
def battles(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Battle]:
    items = (item for item in request.session.items if hasattr(item, "callspec"))
    selected = {(i.callspec.params.get("isolation"), i.callspec.params.get("name")) for i in items}
    fought = {}
    for isolation in ("bubblewrap", "process"):
        if names := [name for name in ATTACKS if (isolation, name) in selected]:
            fought[isolation] = battle(isolation, names, tmp_path_factory.mktemp(isolation))
    if names := [name for name in ATTACKS if ("course", name) in selected]:
        fought["course"] = battle_in_a_course(names, tmp_path_factory.mktemp("course"))
    return fought


def battle_in_a_course(names: list[str], root: Path) -> Battle:
    """As notebooks, by `python -m grading course autograde`. Attacks in different modules share one: the class would be
    larger. What lies beside the modules lies beside the notebook."""
    course = courses.create(root / "course")
    (course.root / "course.key").write_bytes(KEY)
    authors = corpus.together({name: {c.module for c in ATTACKS[name].changes} for name in names})
    student = {name: f"attacker-{number}" for number, group in enumerate(authors) for name in group}
    for number, group in enumerate(authors):
        changes = [change for name in group for change in ATTACKS[name].changes]
        file = courses.submit(
            course, f"attacker-{number}", courses.notebook_of(course, courses.modules(*changes))
        )
        for beside, text in (item for name in group for item in ATTACKS[name].files.items()):
            (file.parent / beside).parent.mkdir(parents=True, exist_ok=True)
            (file.parent / beside).write_text(text, encoding="utf-8")
        if number % HONEST_EVERY == 0:
            courses.submit(course, f"honest-{number}", courses.notebook_of(course, courses.modules()))
    canary = root / "canary"
    canary.write_text("as it was")
    heard: list[str] = []
    os.environ["CANARY"] = "as it was"
    with listeners(heard):
        before, others = machine(canary), of_other_users()
        courses.warm_kit("course", "autograde", course.root, "--jobs", 2)
        after, strays = machine(canary), of_other_users() - others
    points = courses.points(course)
    assert all(
        sum(p[e] or 0 for e in EXERCISES) == courses.report(course, s).score for s, p in points.items()
    )
    attacks = {name: Graded(courses.report(course, student[name]), 0) for name in names}
    honest = [courses.report(course, student) for student in points if student.startswith("honest-")]
    return Battle(attacks, honest, heard, before, after, strays)


def groups(names: list[str]) -> Iterator[list[str]]:
    """One process grades so many, as it would grade a class: its tests are loaded once."""
    yield from ([name] for name in names if name in LIMITS)
    others = [name for name in names if name not in LIMITS]
    yield from (others[start : start + GROUP] for start in range(0, len(others), GROUP))


def battle(isolation: str, names: list[str], root: Path) -> Battle:
    names = sorted(names, key=lambda name: not ATTACKS[name].slow)  # those first that others can run beside
    folders = {
        name: corpus.write(root / name, *ATTACKS[name].changes, files=ATTACKS[name].files) for name in names
    }
    canary = root / "canary"
    canary.write_text("as it was")
    root.chmod(0o755)
    heard: list[str] = []
    os.environ["CANARY"] = "as it was"
    sooner = set() if corpus.ALL else {*SLOW[1:]} & {*names}
    with contextlib.ExitStack() as stack:
        stack.enter_context(listeners(heard))
        helper = stack.enter_context(Helper(isolation))  # type: ignore[arg-type]
        other = stack.enter_context(suite.hasty(isolation)) if sooner else helper
        for each in {helper, other}:
            each.wait_until_ready()
        before, others = machine(canary), of_other_users()
        forks, running, honest = suite.Forks(AT_ONCE), [], []
        for number, group in enumerate(groups(names)):
            by = other if group[0] in sooner else helper
            running.append((group, forks.start(graded, by, [folders[name] for name in group])))
            if number % HONEST_EVERY == 0:
                honest.append(forks.start(graded, helper, [corpus.SOLUTIONS]))
        attacks = {name: each for group, job in running for name, each in zip(group, job.get(), strict=True)}
        reports = [each.report for job in honest for each in job.get()]
        assert wait_until(lambda: not descendants(helper.pid) | descendants(other.pid))
        after, strays = machine(canary), of_other_users() - others
    return Battle(attacks, reports, heard, before, after, strays)


@contextlib.contextmanager
def listeners(heard: list[str]) -> Iterator[None]:
    """Ears at the ports and names that attacks call. What they heard is known afterwards."""
    with contextlib.ExitStack() as stack:
        ears: list[socket.socket] = []
        addresses: list[tuple[int, int, object]] = []
        for port in PORTS:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                addresses.append((socket.AF_INET, kind, ("127.0.0.1", port)))
        addresses += [(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{name}") for name in NAMES]
        for family, kind, address in addresses:
            ear = stack.enter_context(socket.socket(family, kind))
            with contextlib.suppress(OSError):  # taken by somebody else
                ear.bind(address)  # type: ignore[arg-type]
                if kind == socket.SOCK_STREAM:
                    ear.listen()
                ears.append(ear)
        assert len(ears) > len(PORTS)
        yield
        for ear in ears:
            ear.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                heard.append(
                    f"{ear.getsockname()}: {ear.recv(9) if ear.type == socket.SOCK_DGRAM else ear.accept()}"
                )


def machine(canary: Path) -> dict[str, object]:
    """What an attack may want to change."""
    ours = Path(__file__).parents[2]
    trees = [ours / part for part in ("exercises", "solutions", "tests", "grading")]
    site = Path(os.__file__).parent
    folders = [Path(p) for p in ("/etc", "/usr/bin", "/", "/home", "/root", site)]
    return {
        "canary": canary.read_text(),
        "environment": os.environ["CANARY"],
        "listings": {str(f): sorted(os.listdir(f)) for f in folders if f.is_dir()},
        "the kit": sorted(
            (str(file), file.stat().st_mtime_ns)
            for tree in trees
            for file in tree.rglob("*")
            if "__pycache__" not in file.parts and file.is_file()
        ),
        "core_pattern": Path("/proc/sys/kernel/core_pattern").read_text(),
    }


def of_other_users() -> set[str]:
    """Whatever lies in the folders that are open to all, and runs, and isn't ours."""
    entries = [entry for p in ("/tmp", "/var/tmp", "/dev/shm") for entry in os.scandir(p)]
    others = {pid for pid in processes() if (user := status_line(pid, "Uid")) and "\t0\t" not in user}
    return {entry.path for entry in entries if owner(entry) != os.getuid()} | {
        f"process {pid}" for pid in others if not of_a_test(pid, others)
    }


def of_a_test(pid: int, others: set[int]) -> bool:
    """Whether another test has started it, or what it comes from; an attack's, that was left behind, has no such parent."""
    while pid in others:
        pid = int(status_line(pid, "PPid").partition("\t")[2] or 0)
    try:
        return os.readlink(f"/proc/{pid}/exe") == os.readlink("/proc/self/exe")
    except OSError:
        return False


def owner(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_uid
    except FileNotFoundError:  # another test's
        return os.getuid()


def status_line(pid: int, name: str) -> str:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(name)), "")


@pytest.mark.parametrize(("isolation", "name"), CASES)
def test_an_attack_is_worth_its_honest_part(isolation: str, name: str, battles: dict[str, Battle]) -> None:
    report, memory = battles[isolation].attacks[name]
    costs = ATTACKS[name].costs
    tests = {test.id: test for exercise in report.exercises for test in exercise.tests}
    lost = {id for id in tests if any(id == cost or id.startswith(f"{cost}.") for cost in costs)}
    assert lost or not costs, f"{costs}: no such tests"
    wrong = [
        f"{id}: {test.score}, {test.status}: {test.message}"
        for id, test in tests.items()
        if test.score != (0 if id in lost else test.max_score)
    ]
    assert not wrong, "\n".join(wrong)
    assert report.duration_s < 2 * (limits.SUBMISSION_WALL_SECONDS + 10)
    assert memory < MEMORY


@pytest.mark.parametrize(
    ("isolation", "name"),
    [("course", name) for name in IN_A_COURSE],
)
def test_an_attack_in_a_notebook_is_worth_no_more(
    isolation: str, name: str, battles: dict[str, Battle]
) -> None:
    """Cells share their names and all run for every exercise: there an attack may cost its author more."""
    report, _ = battles[isolation].attacks[name]
    costs = () if ATTACKS[name].in_a_notebook else ATTACKS[name].costs
    won = [
        f"{test.id}: {test.message}"
        for exercise in report.exercises
        for test in exercise.tests
        if test.score and any(test.id == cost or test.id.startswith(f"{cost}.") for cost in costs)
    ]
    assert not won, "\n".join(won)
    assert report.isolation == "bubblewrap"


@pytest.mark.parametrize("isolation", ["bubblewrap", "process", "course"])
def test_the_others_get_their_own_marks(isolation: str, battles: dict[str, Battle]) -> None:
    reports = battles[isolation].honest
    assert reports
    assert {report.score for report in reports} == {100}


@pytest.mark.parametrize("isolation", ["bubblewrap", "process", "course"])
def test_the_machine_is_as_it_was(isolation: str, battles: dict[str, Battle]) -> None:
    fought = battles[isolation]
    assert fought.heard == []
    assert fought.after == fought.before
    # Another test may be grading at the same time, but not for ever.
    gone = wait_until(lambda: not fought.strays & of_other_users(), limits.SUBMISSION_WALL_SECONDS)
    assert gone, fought.strays & of_other_users()


@pytest.mark.parametrize(
    ("isolation", "name"), [("bubblewrap", name) for name in ATTACKS if name not in LIMITS]
)
def test_no_secret_is_told(isolation: str, name: str, battles: dict[str, Battle]) -> None:
    report = msgspec.structs.replace(battles[isolation].attacks[name].report, duration_s=0.0, digest="")
    for write in FORMATS.values():
        text = write(report)
        assert KEY.decode() not in text
        assert not secret_numbers() & set(re.findall(r"\d+\.\d+|\d+", text))


@functools.cache
def secret_numbers() -> set[str]:
    """The student's numbers, without those that the exercise itself shows."""
    texts = [file.read_text() for file in Path(__file__).parents[2].glob("tests/**/*.py")]
    own = {number for text in texts for number in re.findall(r"\d+\.\d+|\d+", text)}
    return numbers(derive(KEY, STUDENT)) - own


@pytest.mark.parametrize("kind", ["replay", "forge", "answer"])
def test_a_forger_earns_no_more_than_is_admitted(kind: forger.Kind, tmp_path: Path, helper: Helper) -> None:
    """Observations from home, played back; the best of them earns the number in grading/README.md, and no forger isn't flagged."""
    report = suite.grade_in_jail(helper, forger.build(tmp_path / kind, kind), KEY)
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    admitted = int(re.search(r"<!-- forgeable -->(\d+)<!-- /forgeable -->", readme)[1])  # type: ignore[index]
    assert report.score == admitted if kind == "forge" else report.score < admitted
    assert report.flags


def test_every_kind_of_attack_is_there() -> None:
    assert len(ATTACKS) >= 50
    assert len(corpus.attacks()) == len(ATTACKS)
    assert {kind for attack in ATTACKS.values() for kind in attack.field} == set(corpus.ATTACKS)
