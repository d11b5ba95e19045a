parse() { OPTIND=1; while getopts ab:c o "$@"; do echo "$o ${OPTARG-}"; done; shift $((OPTIND - 1)); echo "rest $*"; }
parse -a -b value rest; parse -cab joined x y; parse -- -a; parse -z 2>/dev/null
