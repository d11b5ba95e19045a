unset u; e=; s=set
echo "${u-a}" "${u:-b}" "${e-c}" "${e:-d}" "${s-e}" "${s:-f}"
echo "${u+a}" "${e+b}" "${e:+c}" "${s:+d}"; echo "${u=new}" "$u" "${e:=filled}" "$e"
(unset q; echo "${q?no value}") 2>/dev/null; echo $?
