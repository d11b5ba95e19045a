(set -e; echo before; false; echo after); echo $?
(set -e; false || true; if false; then :; fi; ! true; echo survives); echo $?
(set -e; x=$(false); echo never); echo $?
