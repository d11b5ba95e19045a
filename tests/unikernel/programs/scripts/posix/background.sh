(exit 4) & wait $!; echo "ended $?"
sh_out=$(echo in a job & wait); echo "$sh_out"
for n in 1 2 3; do (exit $n) & eval "p$n=$!"; done
wait $p3; echo $?; wait $p1; echo $?; wait $p2; echo $?
wait; echo "all $?"
