#!/usr/bin/env bash
# Grade a student's project in a GitLab job, and write what GitLab shows beside a merge request. For gitlab-ci.yml.
#
#   CI_PROJECT_DIR        the student's checkout, set by GitLab: read, never run. .graded/ in it is written
#   PYTHON, MOST_SECONDS  the interpreter (python3); how long the grader may take (300)
#
# Exit status: 0 full marks, 1 less than that, 2 not graded. All three leave junit.xml and codequality.json.
set -uo pipefail

: "${CI_PROJECT_DIR:?}"
python=${PYTHON:-python3}
most=${MOST_SECONDS:-300}
submission=$(realpath -- "$CI_PROJECT_DIR")
out=$submission/.graded # hidden: not a part of what is graded
# Python imports from the folder it is started in: that must not be the student's.
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../../.." || exit 2

render() { "$python" -m grading render "$out/report.json" --format "$1" --out "$out/$2" 2>>"$out/said.txt"; }

not_graded() {
  local why
  why=$(tr -d '\000-\010\013-\037' <<<"$1" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g')
  cat >"$out/junit.xml" <<END
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="pytorch-workflow" time="0" tests="1" failures="0" errors="1" skipped="0">
  <testsuite name="Grading" tests="1" failures="0" errors="1" skipped="0">
    <properties><property name="score" value="0"/></properties>
    <testcase classname="grading" name="this submission can be graded">
      <properties><property name="score" value="0"/></properties>
      <error message="Not graded" type="error">$why</error>
    </testcase>
  </testsuite>
</testsuites>
END
  echo '[]' >"$out/codequality.json"
}

rm -rf -- "$out" # whatever the student has put there
mkdir -- "$out" || exit 2
not_graded "The job ended before the grader did."
timeout --kill-after=20 "$most" "$python" -m grading grade "$submission" --isolation process \
  --format json --out "$out/report.json" 2>"$out/said.txt"
status=$?

# A status of 1 is also what a grader that broke ends with: only a report makes it a mark.
if [ "$status" -le 1 ] && [ -s "$out/report.json" ] && render text report.txt &&
  render junit graded.xml && render codequality graded.json; then
  mv -- "$out/graded.xml" "$out/junit.xml"
  mv -- "$out/graded.json" "$out/codequality.json"
  cat -- "$out/report.txt"
  exit "$status"
fi

. grading/ci/why.sh
why=$(why "$status" "$most" "$out/said.txt")
not_graded "$why"
echo "Not graded. $why"
exit 2
