#!/bin/sh
# expect.sh REGEX COMMAND...: the command succeeds and prints a line that matches. 77: skipped, no KVM here.
pattern=$1
shift
if ! (: <> /dev/kvm) 2> /dev/null; then
  echo "skipped: /dev/kvm cannot be opened"
  exit 77
fi
output=$("$@" 2>&1)
status=$?
printf '%s\n' "$output"
if [ $status -ne 0 ]; then
  echo "$1 exited with $status"
  exit 1
fi
printf '%s\n' "$output" | grep -qE -- "$pattern" || { echo "no line matches $pattern"; exit 1; }
