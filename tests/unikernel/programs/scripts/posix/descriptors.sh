cd "$DIR" || exit 1
exec 5> five; echo "to five" >&5; exec 5>&-; cat five
echo "to stderr" 2>/dev/null >&2; { echo out; echo err >&2; } 2>&1 | sort
exec 6< five; read -r line <&6; exec 6<&-; echo "$line"
