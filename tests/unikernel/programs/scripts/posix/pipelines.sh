true | false; echo $?; false | true; echo $?; ! true | false; echo $?
echo x | { read -r v; echo "inside $v"; }; seq 3 | while read -r n; do echo "n$n"; done
yes | head -n 1000 | wc -l | tr -d ' '
