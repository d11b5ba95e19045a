true && echo yes || echo no
false && echo yes || echo no
! true || echo negated; ! false && echo negated too
if ! [ 1 -eq 2 ]; then echo differs; fi
