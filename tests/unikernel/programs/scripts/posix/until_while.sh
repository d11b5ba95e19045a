i=0; until [ $i -ge 3 ]; do i=$((i + 1)); echo $i; done; while [ $i -gt 0 ]; do i=$((i - 1)); done; echo $i
while false; do :; done; echo $?
