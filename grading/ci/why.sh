# shellcheck shell=bash
# For the three services' scripts: the words for a grader that left no mark.

# why STATUS MOST_SECONDS FILE: the status that `timeout` ended with, and what the grader said.
why() {
  local words
  case $1 in
  124) words="The grader was stopped: it had not ended after $2 seconds." ;;
  137) words="The grader was killed: it took too long, or more memory than there is." ;;
  125 | 126 | 127) words="The grader could not be started. Tell your instructor." ;;
  *) words=$(tail -c 2000 -- "$3" | tr -d '\r') ;;
  esac
  words=${words#Not graded: }
  echo "${words:-"The grader ended without a word, status $1."}"
}
