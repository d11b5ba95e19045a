echo a; echo b & wait; { echo c; echo d; }; (echo e; exit 2); echo $?; : ; echo $?
