name=world
cat <<END
hello $name $((1 + 1)) $(echo sub) \$name
END
cat <<'END'
literal $name
END
cat <<-END
	no tabs
	END
read -r a b <<END
one two three
END
echo "$b|$a"
