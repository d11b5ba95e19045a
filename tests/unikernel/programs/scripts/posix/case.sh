for word in apple bat '*' '' x.c; do
  case $word in
    a*|A*) echo "$word: begins with a" ;;
    '') echo "empty" ;;
    \*) echo "a star" ;;
    *.[ch]) echo "$word: C" ;;
    *) echo "$word: other" ;;
  esac
done
