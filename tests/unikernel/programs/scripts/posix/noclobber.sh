cd "$DIR" || exit 1
set -C; echo one > f; (echo two > f) 2>/dev/null; echo $?; cat f; echo three >| f; cat f; set +C; echo four > f; cat f
