x='*'; case abc in $x) echo "pattern" ;; esac; case abc in "$x") echo no ;; *) echo "literal" ;; esac
case '[x]' in \[x\]) echo brackets ;; esac; y='a?c'; case abc in $y) echo question ;; esac
