printf '%s|%5s|%-5s|%05d|%x|%o|%c\n' a b c 42 255 8 zebra; printf '%d %s\n' 1 one 2 two; printf '%b' 'tab\there\n'; printf '%%\n'
printf '%s\n' "$(printf '\101\102')" ; printf '%.3s|%.2f\n' abcdef 3.14159
