"""What a course's nbgrader_config.py sets, so that nbgrader's own commands grade with this kit."""

import os
import sys
import warnings
from pathlib import Path

from traitlets.config import Config

from grading.course.intake import SUBMITTED
from grading.course.source import ASSIGNMENT


def configure(c: Config, course: Path) -> None:
    """Set everything that differs from nbgrader's defaults."""
    # nbgrader starts alembic by its bare name, which is found only where the environment is activated.
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )

    warnings.filterwarnings("ignore", module="nbgrader")  # of its own dealings with SQLAlchemy

    c.CourseDirectory.root = str(course)
    c.CourseDirectory.course_id = course.name
    c.CourseDirectory.submitted_directory = SUBMITTED

    # No code is executed: the exporter starts the graders, the first preprocessor writes down what they found.
    c.Autograde.exporter_class = "grading.course.converter.GradingExporter"
    # The notebooks are the course's own, so nothing about them has to be mended or checked.
    c.GradingExporter.optimistic_validation = True
    c.Autograde.sanitize_preprocessors = ["nbgrader.preprocessors.OverwriteCells"]
    c.Autograde.autograde_preprocessors = [
        "grading.course.converter.Judge",
        "nbgrader.preprocessors.SaveAutoGrades",
        "nbgrader.preprocessors.AssignLatePenalties",
    ]
    c.Autograde.pre_convert_hook = "grading.course.journal.begin"
    c.Autograde.post_convert_hook = "grading.course.journal.end"
    # What students need beside the notebook, nobody needs beside a graded one.
    source = course / "source" / ASSIGNMENT
    beside = [str(file.relative_to(source)) for file in source.rglob("*") if file.is_file()]
    c.Autograde.exclude_overwriting = {ASSIGNMENT: beside}

    # Times that a student can't choose; archives that can't do harm; feedback for those who handed in otherwise.
    c.ExchangeFactory.collect = "grading.course.collect.Collect"
    c.ExchangeFactory.release_feedback = "grading.course.release.ReleaseFeedback"
    c.ZipCollectApp.extractor_plugin = "grading.course.zip_collect.Extractor"
    c.ZipCollectApp.collector_plugin = "grading.course.zip_collect.Collector"

    # What students wrote is shown in the instructor's browser: no scripts. `sanitize_html` is for what cells put out;
    # nbgrader's templates write text cells on their own, and heed nothing but this filter.
    c.HTMLExporter.sanitize_html = True
    c.HTMLExporter.filters = {"markdown2html": "grading.course.harmless.harmless"}

    c.ExportApp.plugin_class = "grading.course.export.Table"
