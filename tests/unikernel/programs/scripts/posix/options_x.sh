(PS4='> '; set -x; a=1; echo $a) 2>&1; set -- -; echo "$-" | grep -c x
