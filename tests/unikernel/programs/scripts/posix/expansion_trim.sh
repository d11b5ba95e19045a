path=/usr/local/lib/libx.so.1.2
echo "${path#*/}" "${path##*/}" "${path%.*}" "${path%%.*}"
f=archive.tar.gz; echo "${f%.gz}" "${f#*.}" "${f%%.*}" "${f#nothing}"
