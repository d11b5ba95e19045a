cd "$DIR" || exit 1
: > empty; echo x > full; mkdir folder; ln -s full link; ln -s nowhere dangling; chmod 600 full
for f in empty full folder link dangling missing; do
  r=; for t in e f d h L s r; do [ -$t $f ] && r=$r$t; done; echo "$f: $r"
done
