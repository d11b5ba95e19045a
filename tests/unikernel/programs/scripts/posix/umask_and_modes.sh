cd "$DIR" || exit 1
umask 027; : > f; mkdir d; stat -c '%a' f d; umask; umask 0; : > g; stat -c '%a' g; chmod u=rw,go=r g; stat -c '%a' g
