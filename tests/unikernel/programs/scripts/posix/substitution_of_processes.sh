cd "$DIR" || exit 1
seq 1 500 > numbers; sum=0; while read -r n; do sum=$((sum + n)); done < numbers; echo $sum
awk '{s += $1} END {print s}' numbers; sort -rn numbers | head -n 1; xargs -n 100 echo < numbers | wc -l | tr -d ' '
