echo "$(echo one; echo two)" $(echo "  a   b  ")
x=$(printf 'line\n\n\n'); echo "[$x]"; echo "$(echo "$(echo deep)")" `echo old \`echo nested\``
y=$(exit 5); echo $?
