"""`make reset` loses nothing, and `make plots` shows what the student's code draws now."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from grading.tests import corpus
from grading.tests.corpus import Change
from grading.tests.suite import Forks
from tests.coach import curriculum, plots, reset, state
from tests.coach.cli import main
from tests.coach.suite import ROOT, Practice
from tests.coach.terminal import Screen

STUB = (reset.STUBS / "ex2_model.py").read_bytes()
SIX_O_CLOCK = "2026-11-21_18-00-00"


@pytest.fixture
def exercises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The student's folder, in a kit of its own, at six o'clock."""
    monkeypatch.setattr(reset, "ROOT", tmp_path)
    monkeypatch.setattr(reset.time, "strftime", lambda format: SIX_O_CLOCK)
    return Path(shutil.copytree(ROOT / "exercises", tmp_path / "exercises"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that is said instead."""
    assert main(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


# reset


def test_the_stub_comes_back_and_the_old_file_is_kept(
    exercises: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = contents(exercises)
    (exercises / "ex2_model.py").write_bytes(b"# mine\r\n")
    assert main(["reset", "--ex", "2"]) == 0
    kept = f"ex2_model.{SIX_O_CLOCK}.py"
    assert contents(exercises) == others | {"ex2_model.py": STUB, kept: b"# mine\r\n"}
    said = " ".join(capsys.readouterr().out.split())
    assert said == f"exercises/ex2_model.py is the stub again. Your file is kept, as exercises/{kept}"


def test_three_resets_in_one_second_keep_three_files(exercises: Path) -> None:
    for work in (b"# first\n", b"", b"# caf\xe9, in Latin-1\n"):
        (exercises / "ex2_model.py").write_bytes(work)
        assert main(["reset", "--ex", "ex2"]) == 0
    found = contents(exercises)
    assert found[f"ex2_model.{SIX_O_CLOCK}.py"] == b"# first\n"
    assert found[f"ex2_model.{SIX_O_CLOCK}_2.py"] == b""
    assert found[f"ex2_model.{SIX_O_CLOCK}_3.py"] == b"# caf\xe9, in Latin-1\n"


@pytest.mark.parametrize("stub", [STUB, STUB.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + STUB])
def test_a_stub_is_left_alone(exercises: Path, capsys: pytest.CaptureFixture[str], stub: bytes) -> None:
    """Line ends and a byte order mark are nobody's work."""
    (exercises / "ex2_model.py").write_bytes(stub)
    before = contents(exercises)
    assert main(["reset", "--ex", "2"]) == 0
    assert "exercises/ex2_model.py is the stub already" in capsys.readouterr().out
    assert contents(exercises) == before


@pytest.mark.parametrize("remove", [lambda folder: (folder / "ex2_model.py").unlink(), shutil.rmtree])
def test_a_missing_file_comes_back(
    exercises: Path, capsys: pytest.CaptureFixture[str], remove: Callable[[Path], None]
) -> None:
    remove(exercises)
    assert main(["reset", "--ex", "2"]) == 0
    assert "ex2_model.py did not exist. Now it is the stub." in capsys.readouterr().out
    assert (exercises / "ex2_model.py").read_bytes() == STUB
    assert not list(exercises.glob("ex2_model.2*"))


def test_a_link_s_target_stays_as_it_is(exercises: Path, tmp_path: Path) -> None:
    """A student may keep the work elsewhere, and link to it."""
    (tmp_path / "elsewhere.py").write_bytes(b"# mine\n")
    (exercises / "ex2_model.py").unlink()
    (exercises / "ex2_model.py").symlink_to(tmp_path / "elsewhere.py")
    assert main(["reset", "--ex", "2"]) == 0
    assert (tmp_path / "elsewhere.py").read_bytes() == b"# mine\n"
    assert contents(exercises)[f"ex2_model.{SIX_O_CLOCK}.py"] == b"# mine\n"
    assert (exercises / "ex2_model.py").read_bytes() == STUB


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Which exercise? make reset EX=1"),
        (["--ex", "7"], "EX=7: there is no such exercise."),
        (["--ex", "workflow"], "The workflow, from data to file: it has no file of its own"),
    ],
)
def test_misuse_changes_nothing(
    exercises: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    before = contents(exercises)
    assert refused(capsys, "reset", *arguments).startswith(words)
    assert contents(exercises) == before


def test_a_folder_of_that_name_is_not_touched(exercises: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (exercises / "ex2_model.py").unlink()
    (exercises / "ex2_model.py").mkdir()
    said = refused(capsys, "reset", "--ex", "2")
    assert said == "exercises/ex2_model.py is a folder. Move it away, then make reset EX=2 again.\n"


@pytest.mark.parametrize("step", ["keep", "replace"])
def test_a_disk_that_is_full_costs_no_work(
    exercises: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whether it is full when the old file is kept, or only when the stub is written."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (exercises / "ex2_model.py").write_bytes(b"# mine\n")
    if step == "keep":
        monkeypatch.setattr(reset, "_keep", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    assert "can't be replaced (No space left on device): it is as it was" in refused(
        capsys, "reset", "--ex", "2"
    )
    assert (exercises / "ex2_model.py").read_bytes() == b"# mine\n"
    assert not list(exercises.glob("*.new"))


def test_a_kept_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full takes nothing: writing fails when it is closed, with the file already made."""
    opened = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, mode: (opened(path, mode).close(), opened(Path("/dev/full"), "wb"))[1]
    )
    with pytest.raises(OSError, match="No space left"):
        reset._keep(tmp_path / "ex2_model.py", b"# mine\n")
    assert list(tmp_path.iterdir()) == []


# Pictures


def drawn(folder: Path, into: Path) -> tuple[bool, str]:
    """Whether all are drawn, and the screen. In this process: only for a fork."""
    plots.FOLDER, out = into, io.StringIO()
    everything = plots.draw(Practice(folder), Screen(Console(file=out, width=100)))
    return everything, out.getvalue()


NAMES = ["data.png", "loss_curves.png", "predictions.png"]


def test_solutions_draw_three_pictures(tmp_path: Path, forks: Forks) -> None:
    everything, said = forks.call(drawn, corpus.SOLUTIONS, tmp_path / "plots")
    assert everything
    assert [line.split() for line in said.splitlines()[1:4]] == [["✓", f"plots/{name}"] for name in NAMES]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == NAMES
    for name in NAMES:
        with Image.open(tmp_path / "plots" / name) as image:
            assert image.size == (480, 360)
            assert len(image.getcolors(maxcolors=480 * 360) or ()) > 10, "more than white paper"


def test_stubs_draw_none_and_say_where_to_write_them(tmp_path: Path, forks: Forks) -> None:
    everything, said = forks.call(drawn, reset.STUBS, tmp_path)
    assert not everything
    assert list(tmp_path.iterdir()) == []
    lines = [line.strip() for line in said.splitlines()]
    assert lines[1:3] == ["○ no plots/data.png", "`plot_data` is still to be written"]
    assert lines[3].startswith("stubs/ex1_dataset.py:")
    assert "made up" not in said


def test_an_old_picture_goes_when_there_is_no_new_one(tmp_path: Path, forks: Forks) -> None:
    broken = Change("ex4_predictions", define="def plot_predictions(*data):\n    return data.nothing")
    folder = corpus.write(tmp_path / "exercises", broken)
    (folder / "ex3_training.py").write_text("def train(:\n", encoding="utf-8")
    for name in NAMES:
        (tmp_path / name).write_bytes(b"older")
    everything, said = forks.call(drawn, folder, tmp_path)
    assert not everything
    assert (tmp_path / "data.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "loss_curves.png").exists()
    assert not (tmp_path / "predictions.png").exists()
    assert "✗ no plots/predictions.png: the older one is removed" in said
    assert "plot_predictions(…) raised AttributeError: 'tuple' object has no attribute 'nothing'" in said
    assert "return data.nothing" in said
    assert "exercises/ex3_training.py can't be imported: SyntaxError" in said
    assert "Traceback" not in said


def status_of_plots(tree: str, into: Path) -> int:
    """In this process: only for a fork."""
    plots.FOLDER = into
    return main(["plots", "--tree", tree])


def test_the_exit_status_says_whether_all_are_there(tmp_path: Path, forks: Forks) -> None:
    assert forks.call(status_of_plots, "solutions", tmp_path) == 0
    assert forks.call(status_of_plots, "tests/stubs", tmp_path) == 1
    assert forks.call(status_of_plots, "nowhere", tmp_path) == 2


def test_a_file_in_the_place_of_the_folder_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plots").write_bytes(b"")
    monkeypatch.setattr(plots, "FOLDER", tmp_path / "plots")
    assert refused(capsys, "plots") == "plots/ can't be written (File exists).\n"


# What a student types


def test_without_make_the_words_name_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(state, "FILE", tmp_path / ".coach" / "state.json")
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert refused(capsys, "reset") == "Which exercise? python -m tests.coach reset --ex 1\n"
    assert refused(capsys, "hint") == "For which exercise? python -m tests.coach hint --ex 1\n"
    state.write(state.State(functions={"ex1": state.UNKNOWN, "ex2": ""}))
    for exercise in ("1", "2"):
        assert main(["hint", "--ex", exercise]) == 0
        assert "`python -m tests.coach test`" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("name", "told"), [("exercises", True), ("mine", False)])
def test_reset_is_named_where_it_helps(name: str, told: bool, tmp_path: Path, forks: Forks) -> None:
    """A file that is missing from another tree is not put back by it."""
    folder = corpus.write(tmp_path / name)
    (folder / "ex3_training.py").unlink()
    _, said = forks.call(drawn, folder, tmp_path / "plots")
    assert f"{name}/ex3_training.py does not exist." in said
    assert ("If it was deleted: `make reset EX=3` puts the stub back." in said) == told


def test_every_stub_can_be_put_back() -> None:
    files = [exercise.file for exercise in curriculum.load() if exercise.file]
    assert sorted(path.name for path in reset.STUBS.glob("*.py")) == files
