"""The whole report as JSON, as grading/schemas/report.schema.json describes it. The other formats leave things out."""

from grading.formats.common import tidy
from tests.coach.report import Report, to_json


def write(report: Report) -> str:
    """Raises nothing: what can't be encoded was replaced."""
    return to_json(tidy(report)).decode()
