cd "$DIR" || exit 1
{ echo first; echo second; } > both; ( echo third ) >> both; wc -l < both | tr -d ' '
while read -r line; do echo "got $line"; done < both
if true; then echo kept; fi > one; cat one
