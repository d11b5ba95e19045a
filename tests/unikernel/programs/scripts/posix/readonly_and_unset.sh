(readonly r=1; r=2; echo never) 2>/dev/null; [ $? -ne 0 ] && echo refused
x=1; unset x; echo "${x-unset}"; unset -v nothing; echo $?
