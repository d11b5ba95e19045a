set -- p q; echo $#; sh -c 'echo $0 $1' name arg; [ $$ -gt 0 ] && [ $PPID -gt 0 ] && echo pids
(echo $$) | { read -r a; [ "$a" = $$ ] && echo "same in a subshell"; }; eval 'v=1; echo $v'; x=y; y=z; eval echo \$$x
. /dev/null; echo $?
