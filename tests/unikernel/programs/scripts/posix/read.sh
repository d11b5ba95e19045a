printf 'a b c\\\nd\n' | { read x y; echo "$x,$y"; }; printf 'a\\b\n' | { read -r x; echo "$x"; }
printf '  lead trail  \n' | { read -r x; echo "[$x]"; }; printf 'no newline' | { read -r x; echo "$? $x"; }
printf '1:2:3\n' | { IFS=: read -r a b c; echo "$c$b$a"; }
