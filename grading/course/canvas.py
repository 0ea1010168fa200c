"""`nbgrader export --exporter=grading.course.canvas.Grades --to=canvas.csv`"""

from collections.abc import Sequence
from typing import Any

from grading.course.export import GradesExport, is_number, line
from grading.course.results import Result
from grading.spreadsheet import Cell, number


class Grades(GradesExport):
    """What Canvas takes under Grades, Import. Read in instructure/canvas-lms, lib/gradebook_importer.rb:

    - The first five columns are found by their order. The assignment's heading is its title in Canvas, or
      "title (number)"; with any other heading, Canvas offers to make a new assignment, worth the "Points Possible".
      Name the assignment in Canvas like the one here, or change this heading before you upload.
    - ID is Canvas' own number of the user, which the names of its downloads have and so our students. It is read with
      `to_i`: "17b" would be student 17. So only a number goes there. Any other id goes into both SIS columns:
      Canvas looks for it among the SIS ids first, then among the logins, and last of all for the name.
    - An empty cell deletes the grade that is there, and a 0 replaces an excuse (process_gradebook_upload.js). So
      students who handed in nothing have no line, which leaves theirs as it is, and there is one assignment a file.
    - A byte order mark before a quoted heading is malformed to Ruby's CSV, so there is none.
    - Points are not held against the maximum, and an assignment that is there already keeps its own: set it to the same.

    Nothing is to be ticked. Canvas shows what will change before it changes it.
    """

    file = "canvas.csv"
    mark = False

    def rows(self, assignments: list[Any], results: list[Result]) -> list[Sequence[Cell]]:
        assignment = self.one(assignments)
        table: list[Sequence[Cell]] = [
            ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", assignment.name],
            ["    Points Possible", None, None, None, None, number(assignment.max_score)],
        ]
        for result in results:
            if result.submission:
                student = result.student
                name = line(", ".join(filter(None, (student.last_name, student.first_name)))) or student.id
                ids = (student.id, None, None) if is_number(student.id) else (None, student.id, student.id)
                table.append([name, *ids, None, result.score])
        if absent := len(results) + 2 - len(table):
            self.log.info(
                "%d students handed in nothing and are left out: their grades in Canvas stay.", absent
            )
        return table
