"""nginx with a master and two workers: serves, takes a new configuration by a signal, and ends. $1: a folder."""

import os
import pathlib
import socket
import subprocess
import sys
import time

work = pathlib.Path(sys.argv[1])
NGINX = ["/usr/sbin/nginx", "-c", str(work / "nginx.conf"), "-e", str(work / "error.log")]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


port = free_port()


def configure(greeting):
    (work / "nginx.conf").write_text(f"""
daemon off; {"user root;" if os.geteuid() == 0 else ""} worker_processes 2; pid {work}/pid; error_log {work}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log {work}/access.log; client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
  uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
  server {{ listen 127.0.0.1:{port}; root {work}/www; location /hi {{ return 200 "{greeting}\\n"; }} }}
}}
""")


def ask(path):
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        answer = b""
        while part := s.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split()[1].decode(), body.decode()


def until(what, done):
    for _ in range(1500):
        try:
            if done():
                return
        except (ConnectionError, FileNotFoundError):
            pass
        time.sleep(0.02)
    sys.exit(f"waited in vain for {what}: " + (work / "error.log").read_text()[-600:])


def signal(name):
    return subprocess.run([*NGINX, "-s", name], stderr=subprocess.DEVNULL).returncode


(work / "www").mkdir()
(work / "www" / "index.html").write_text("x" * 3000)
configure("first")
print("configuration", subprocess.run([*NGINX, "-t", "-q"]).returncode)
master = subprocess.Popen(NGINX)
until("the server", lambda: ask("/hi")[0] == "200")
answers = [ask("/hi" if n % 2 else "/index.html") for n in range(200)]
print(len(answers), sorted({(status, len(body)) for status, body in answers}), ask("/none")[0])
configure("second")
print("reload", signal("reload"))
# Old workers answer until they have gone.
until("the new configuration", lambda: all(ask("/hi")[1] == "second\n" for _ in range(20)))
print("quit", signal("quit"), master.wait(60))
print(len((work / "access.log").read_text().splitlines()) >= 200, (work / "pid").exists())
