#!/usr/bin/env bash
# Grade a student's repository on a GitHub runner, and say so in every place where GitHub shows it. For grade.yml.
#
#   SUBMISSION                          the student's checkout: read, never run
#   OUT                                 a folder for report.json and what is made from it
#   GITHUB_STEP_SUMMARY, GITHUB_OUTPUT  set by the runner
#   PYTHON, MOST_SECONDS                the interpreter (python3); how long the grader may take (300)
#
# Exit status: 0 full marks, 1 less than that, 2 not graded. All three come with a summary and a payload.
set -uo pipefail

: "${SUBMISSION:?}" "${OUT:?}" "${GITHUB_STEP_SUMMARY:?}" "${GITHUB_OUTPUT:?}"
python=${PYTHON:-python3}
most=${MOST_SECONDS:-300}
submission=$(realpath -s -- "$SUBMISSION")
mkdir -p -- "$OUT"
out=$(realpath -- "$OUT")
# Python imports from the folder it is started in: that must not be the student's.
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../../.." || exit 2

render() { "$python" -m grading render "$out/report.json" --format "$1" --out "$out/$2" 2>>"$out/said.txt"; }

rm -f -- "$out/report.json"
timeout --kill-after=20 "$most" \
  "$python" -m grading grade "$submission" --format json --out "$out/report.json" 2>"$out/said.txt"
status=$?

# A status of 1 is also what a grader that broke ends with: only a report makes it a mark.
if [ "$status" -le 1 ] && [ -s "$out/report.json" ] &&
  render github annotations.txt && render markdown summary.md && render classroom payload.txt; then
  cat -- "$out/annotations.txt"
  # These two lines are what GitHub Classroom's reporter says, and Classroom reads the points from them.
  read -r _ points _ of _ <"$out/summary.md"
  echo "::notice title=Autograding complete::Points $points/$of"
  echo "::notice title=Autograding report::{\"totalPoints\":$points,\"maxPoints\":$of}"
  cat -- "$out/summary.md" >>"$GITHUB_STEP_SUMMARY"
  echo "result=$(cat -- "$out/payload.txt")" >>"$GITHUB_OUTPUT"
  exit "$status"
fi

. grading/ci/why.sh
why=$(why "$status" "$most" "$out/said.txt")
# A file's name may be in there: in an annotation and in a code block it is only text.
printf '::error title=Not graded::%s\n' "$(awk '{ gsub(/%/, "%25"); printf "%s%s", NR > 1 ? "%0A" : "", $0 }' <<<"$why")"
# shellcheck disable=SC2016  # backticks, not a command
printf '## Not graded\n\n```text\n%s\n```\n' "${why//\`/\'}" >>"$GITHUB_STEP_SUMMARY"
payload='{"version": 3, "status": "error", "max_score": 100, "tests": [{"name": "Grading", "status": "error",
  "message": "Not graded. The summary of this run says why.", "test_code": "", "task_id": 1, "filename": "",
  "line_no": 0, "duration": 0, "score": 0}]}'
echo "result=$(base64 --wrap=0 <<<"$payload")" >>"$GITHUB_OUTPUT"
exit 2
