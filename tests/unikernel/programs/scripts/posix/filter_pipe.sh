seq 1 100 | sed -n '/7/p' | wc -l | tr -d ' '; printf 'b\na\nb\n' | sort | uniq -c | sed 's/^ *//'
echo "a:b:c" | cut -d: -f2; echo hello | tr a-y b-z; seq 5 | tac | head -n 2
