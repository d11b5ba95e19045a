# Runs each script of the folder posix with `busybox sh`, in an empty folder of its own. $1: where this lies and may write.
for script in "$1"/posix/*.sh; do
  name=${script##*/}
  DIR=$1/tmp
  export DIR
  mkdir "$DIR"
  echo "== ${name%.sh}"
  busybox sh "$script" 2>&1 < /dev/null
  echo "-> $?"
  rm -rf "$DIR"
done
