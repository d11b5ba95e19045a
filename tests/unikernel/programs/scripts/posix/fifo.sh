cd "$DIR" || exit 1
mkfifo pipe && [ -p pipe ] && echo "is a FIFO"
(echo through; echo twice) > pipe & cat pipe; wait
for n in 1 2 3; do echo $n > pipe & read -r got < pipe; echo "got $got"; wait; done
rm pipe; [ -e pipe ] || echo gone
