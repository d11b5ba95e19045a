echo "a 'b' c" 'd "e" f' "g \"h\" \$i \\ \`" a\ b"c d"'e f'
x="two  words"; echo $x "$x" '$x' "${x}s" "$(echo "$x")"
