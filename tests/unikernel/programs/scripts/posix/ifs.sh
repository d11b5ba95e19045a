IFS=:; set -- $(echo a:b::c); echo $# "$1" "$3" "$4"; x="1:2 3:4"; for p in $x; do echo "[$p]"; done
unset IFS; set -- $x; echo $#; IFS=; set -- $x; echo $#
