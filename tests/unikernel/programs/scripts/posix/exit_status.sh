(exit 0); echo $?; (exit 42); echo $?; (exit 256); echo $?
false; echo $?; /no/such/program 2>/dev/null; echo $?; "$DIR" 2>/dev/null; echo $?
sh -c 'kill -9 $$'; echo $?
