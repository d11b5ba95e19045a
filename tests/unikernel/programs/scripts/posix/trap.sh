trap 'echo "leaving $?"' EXIT; trap 'echo usr1' USR1; kill -USR1 $$; echo after
(trap 'echo sub exit' EXIT; exit 3); echo $?; trap '' TERM; kill -TERM $$; echo ignored; trap - USR1
sh -c 'trap "echo caught; exit 9" TERM; kill -TERM $$; echo never'; echo $?
exit 5
