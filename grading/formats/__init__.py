"""The report in every format that someone reads: each writer is `write(report) -> str`, text that is always UTF-8."""

from collections.abc import Callable

from grading.formats import classroom, codequality, github, gradescope, json_report, junit, markdown, text
from tests.coach.report import Report

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text.write,
    "json": json_report.write,
    "junit": junit.write,
    "gradescope": gradescope.write,
    "classroom": classroom.write,
    "markdown": markdown.write,
    "github": github.write,
    "codequality": codequality.write,
}
