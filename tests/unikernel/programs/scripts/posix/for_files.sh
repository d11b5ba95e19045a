cd "$DIR" || exit 1
touch b.txt a.txt .hidden c.dat "with space.txt"
for f in *.txt; do echo "<$f>"; done; echo *.dat *.none [ab].* ; echo .h*
set -f; echo *.txt; set +f
