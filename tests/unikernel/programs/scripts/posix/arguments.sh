set -- one "two words" '' four
echo $# "[$1]" "[$2]" "[$3]" "[${4}]"
for each; do echo "<$each>"; done
shift 2; echo $#; echo "$*"; IFS=,; echo "$*"; set --; echo $#
