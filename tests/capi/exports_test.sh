#!/bin/sh
# exports_test.sh LIBRARY EXPORTS HEADERS...: what the library exports, what osvm.exports lists and what the headers
# declare must be the same names.
set -eu
library=$1 exports=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
nm -D --defined-only --without-symbol-versions "$library" | awk '$2 != "A" {print $3}' | sort -u > "$work/library"
for header in "$@"; do
  # From OSVM_API to the parenthesis, over line ends: "OSVM_API const char* osvm_version(" -> osvm_version
  tr '\n' ' ' < "$header" | grep -oE 'OSVM_API [^(;]*\(' | sed -E 's/.*[ *](osvm_[a-z0-9_]+)\($/\1/'
done | grep '^osvm_' | sort -u > "$work/headers"
test -s "$work/headers"
diff -u "$exports" "$work/library"
diff -u "$exports" "$work/headers"
