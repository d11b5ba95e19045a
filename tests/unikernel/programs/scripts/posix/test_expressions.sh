[ a = a ] && [ a != b ] && [ -z "" ] && [ -n x ] && echo strings; [ 10 -gt 9 ] && [ -1 -lt 0 ] && [ 5 -ge 5 ] && echo numbers
test ! -e /no/such && echo missing; [ "(" = "(" ]; echo $?; [ ]; echo $?; [ "" ]; echo $?
