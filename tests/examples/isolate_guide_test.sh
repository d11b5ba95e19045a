#!/bin/sh
# isolate_guide_test.sh GUIDE OSVM PROGRAM: takes each `osvm` command that the guide shows and runs it as it stands,
# in a folder that has what the guide assumes. 77: skipped, no KVM here.
set -u
guide=$1 osvm=$2 program=$3
if ! (: <> /dev/kvm) 2> /dev/null; then
  echo "skipped: /dev/kvm cannot be opened"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/home" "$work/data" "$work/root/bin"
ln -s "$osvm" "$work/bin/osvm"
export PATH="$work/bin:$PATH" HOME="$work/home" XDG_CONFIG_HOME="$work/home" XDG_STATE_HOME="$work/home"
cp "$program" "$work/root/bin/server"
cp "$program" "$work/server-program"
printf 'entry: /bin/server\nargs: [identity]\n' > "$work/osvm.yaml"
cd "$work" || exit 1
openssl genpkey -algorithm ed25519 -out key.pem 2> /dev/null
openssl pkey -in key.pem -pubout -out publisher.pem
awk '/^```/ {inside = !inside; plain = $0 == "```"; next} inside && plain' "$guide" | sed -n 's/^\(osvm [^#]*[^# ]\) *\(#.*\)*$/\1/p' > commands
[ "$(wc -l < commands)" -ge 10 ] || { echo "the guide shows too few commands:"; cat commands; exit 1; }
# "./server" of the guide: a program whose arguments the guide need not know.
cp "$program" server
failed=0
while IFS= read -r command; do
  line=$(printf '%s\n' "$command" | sed 's|\./server$|./server identity|; s/127.0.0.1:8080=/127.0.0.1:0=/; s/ 8080=/ 127.0.0.1:0=/')
  echo "+ $line"
  if ! output=$(sh -c "$line" < /dev/null 2>&1); then
    printf '%s\n%s\n' "FAILED: $line" "$output"
    failed=1
  fi
done < commands
exit $failed
