#!/usr/bin/env bash
# The step of action.yml: its inputs come as variables, its outputs go to $GITHUB_OUTPUT, its table to the summary.
set -euo pipefail

arguments=(--fail-on "${FAIL_ON:-medium}" --out "${REPORTS:-osvm-audit}" --pr-comment "${REPORTS:-osvm-audit}/comment.md")
[ -z "${BASELINE:-}" ] || arguments+=(--baseline "$BASELINE")
[ -z "${SETTINGS:-}" ] || arguments+=(--settings "$SETTINGS")
if [ "${CHANGED_ONLY:-false}" = true ] && [ -n "${BASE:-}" ]; then
  arguments+=(--diff "$BASE")
fi
status=0
osvm audit "${arguments[@]}" -- "${AUDITED:-.}" || status=$?
{
  echo "sarif=${REPORTS:-osvm-audit}/report.sarif"
  echo "comment=${REPORTS:-osvm-audit}/comment.md"
} >>"${GITHUB_OUTPUT:-/dev/null}"
if [ -f "${REPORTS:-osvm-audit}/comment.md" ]; then
  cat "${REPORTS:-osvm-audit}/comment.md" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
fi
exit "$status"
