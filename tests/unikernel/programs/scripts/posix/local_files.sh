cd "$DIR" || exit 1
echo data > a; cp a b; mv b c; ln c d; cmp a d && echo same; rm c; cat d; ls | tr '\n' ' '; echo
mkdir -p x/y/z; echo deep > x/y/z/f; find x | sort; rm -r x; [ -d x ] || echo removed
