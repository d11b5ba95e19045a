sleep 1000 & p=$!; kill $p; wait $p; echo $?
sleep 1000 & p=$!; kill -KILL $p; wait $p; echo $?
kill -0 $$ && echo alive; kill -0 $p 2>/dev/null || echo gone
