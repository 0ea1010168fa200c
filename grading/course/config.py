"""What a course's nbgrader_config.py sets, so that nbgrader's own commands grade with this kit."""

import os
import sys
import warnings
from html import escape
from pathlib import Path

import bleach  # type: ignore[import-untyped]
from mistune import HTMLRenderer
from mistune.plugins import import_plugin
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets.config import Config

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

    # No code is executed: the exporter starts the graders, the first preprocessor writes down what they found.
    c.Autograde.exporter_class = "grading.course.converter.Exporter"
    c.Autograde.autograde_preprocessors = [
        "grading.course.converter.Judge",
        "nbgrader.preprocessors.SaveAutoGrades",
        "nbgrader.preprocessors.AssignLatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    c.Autograde.pre_convert_hook = "grading.course.journal.begin"
    c.Autograde.post_convert_hook = "grading.course.journal.end"
    source = (
        course / "source" / ASSIGNMENT
    )  # what students need beside the notebook, nobody needs beside a graded one
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
    c.HTMLExporter.filters = {"markdown2html": "grading.course.config.harmless"}

    c.ExportApp.plugin_class = "grading.course.export.Table"


# No class and no id: formgrader finds its fields and buttons by them, and a student's link would be one of them.
_TEXT = ("p", "br", "hr", "pre", "div", "span", "del", "sub", "sup", "h1", "h2", "h3", "h4", "h5", "h6")
_LISTS = ("dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td")
_TAGS = {*bleach.ALLOWED_TAGS, *_TEXT, *_LISTS}
_ATTRIBUTES = {"a": ["href", "title"]}
_PLUGINS = ("strikethrough", "table", "url", "def_list")
_MOST = 10_000  # characters of a text cell: longer ones can be made so that they take seconds


class _Renderer(IPythonRenderer):
    def block_code(self, code: str, info: str | None = None) -> str:
        """Without colours, which would be classes."""
        return HTMLRenderer.block_code(self, code)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """In words: a picture that is fetched tells its owner that it is looked at; over a missing one nbconvert fails."""
        return f"<em>[picture: {text or escape(url)}]</em>"


def harmless(source: str) -> str:
    """A text cell or a comment as HTML, for nbconvert. What isn't harmless is shown as it was typed."""
    if len(source) <= _MOST:
        try:
            renderer = _Renderer(escape=False, exclude_anchor_links=True)
            markdown = MarkdownWithMath(renderer, plugins=[import_plugin(name) for name in _PLUGINS])
            return str(bleach.clean(markdown.render(source), tags=_TAGS, attributes=_ATTRIBUTES))
        except Exception:  # nested too deep, say: one text must not cost the whole page
            pass
    return f"<pre>{escape(source)}</pre>"
