(set -u; echo "${missing-fine}"; echo $missing; echo never) 2>/dev/null; echo "status $?" | sed 's/[1-9][0-9]*/not 0/'
