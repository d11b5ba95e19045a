x=hello; echo ${#x}; set -- a b c; echo ${#}; y=; echo ${#y}; z='a b  c'; echo ${#z}
