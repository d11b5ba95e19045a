x=1; (x=2; echo $x; (x=3; echo $x)); echo $x; cd /; (cd /usr; pwd); pwd
(exit 7) || echo "was $?"; echo $(x=9; echo $x) $x
