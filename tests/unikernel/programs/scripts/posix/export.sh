a=1; export b=2; sh -c 'echo "[$a]" "[$b]"'; a=3 sh -c 'echo "[$a]"'; echo $a
export a; sh -c 'echo $a'; unset b; sh -c 'echo "[${b-none}]"'; env | grep -c '^a='
