greet() { echo "hello $1 of $#"; return 3; }
greet a b; echo $?; f() ( x=inside; echo $x ); x=outside; f; echo $x
count() { [ $1 -le 0 ] || { echo $1; count $(($1 - 1)); }; }; count 3
echo() { printf '<%s>\n' "$*"; }; echo wrapped; unset -f echo; echo plain
