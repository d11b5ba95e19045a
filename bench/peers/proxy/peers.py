"""The processes of the bench: a backend, our proxy, haproxy and nginx, with the same number of threads each."""
import os
import re
import shutil
import socket
import subprocess
import sys
import time

# Workers run as whoever runs the bench: as nobody they could not reach the backend's socket, and would answer 502.
NGINX_COMMON = """{user}daemon off; master_process {master}; worker_processes {workers}; pid {dir}/{name}.pid;
error_log {dir}/{name}.err; events {{ worker_connections 19000; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s; client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
{body} }}
"""
BACKEND = "server {{ listen unix:{dir}/backend backlog=4096; location / {{ return 200 'hello from nginx!\n'; }} }}"
NGINX_PROXY = """upstream b {{ server unix:{dir}/backend; keepalive 256; keepalive_requests 100000000; }}
server {{ listen 127.0.0.1:{port} backlog=4096; listen 127.0.0.1:{tls} ssl http2 backlog=4096;
ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {dir}/both.pem; ssl_certificate_key {dir}/both.pem; location / {{ proxy_pass http://b; proxy_http_version 1.1;
proxy_set_header Connection ''; }} }}"""
HAPROXY = """global
  nbthread {threads}
  maxconn 18500
  no strict-limits
defaults
  timeout connect 3s
  timeout client 600s
  timeout server 600s
frontend tcp
  mode tcp
  bind 127.0.0.1:{tcp}
  default_backend btcp
backend btcp
  mode tcp
  server s unix@{dir}/backend
frontend http
  mode http
  bind 127.0.0.1:{http}
  default_backend bhttp
backend bhttp
  mode http
  http-reuse always
  server s unix@{dir}/backend
frontend tls
  mode http
  bind 127.0.0.1:{tls} ssl crt {dir}/both.pem alpn h2,http/1.1
  default_backend bhttp
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children_of(pid):
    return [int(p) for p in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]


def wait_for(path_or_port, process):
    """Until it accepts connections; a process that ends first is an error."""
    while True:
        if process.poll() is not None:
            sys.exit(f"{process.args[0]} ended with status {process.returncode} before it listened")
        family = socket.AF_UNIX if isinstance(path_or_port, str) else socket.AF_INET
        with socket.socket(family) as s:
            try:
                s.connect(path_or_port if isinstance(path_or_port, str) else ("127.0.0.1", path_or_port))
                return
            except OSError:
                time.sleep(0.01)


class Peers:
    def __init__(self, options, folder):
        self.o = options
        self.dir = folder
        self.processes = []
        self.targets = []  # (process id, mode, port, who)
        self.absent = []

    def spawn(self, argv, **more):
        p = subprocess.Popen(argv, stdout=more.pop("stdout", subprocess.DEVNULL), stderr=subprocess.DEVNULL, **more)
        self.processes.append(p)
        return p

    def nginx(self, name, workers, body):
        conf = os.path.join(self.dir, name + ".conf")
        with open(conf, "w") as f:
            f.write(NGINX_COMMON.format(user="user root;\n" if os.geteuid() == 0 else "", dir=self.dir, name=name, workers=workers,
                                        master="on" if workers > 1 else "off", body=body))
        return self.spawn(["nginx", "-c", conf, "-p", self.dir])

    def make_certificate(self):
        at = os.path.join(self.dir, "both.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-batch", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-days", "2", "-keyout", at + ".key", "-out", at],
                       check=True, capture_output=True)
        with open(at, "a") as both, open(at + ".key") as key:
            both.write(key.read())
        return at

    def start(self):
        backend = self.nginx("backend", 1, BACKEND.format(dir=self.dir))
        wait_for(os.path.join(self.dir, "backend"), backend)
        driver = os.path.join(self.o.build, "bin", "osvm_proxy_driver")
        for mode in ("l4", "l7", "tls"):
            p = self.spawn([driver, mode, "0", os.path.join(self.dir, "backend"), str(self.o.threads)]
                           + ([self.make_certificate()] if mode == "tls" else []),
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            port = int(p.stdout.readline())
            self.targets += [(p.pid, m, port, "osvm") for m in ([mode, "h2"] if mode == "tls" else [mode])]
            p.is_ours = True
        if shutil.which("haproxy"):
            self.start_haproxy()
        else:
            self.absent.append("haproxy")
        port, tls = free_port(), free_port()
        proxy = self.nginx("proxy", self.o.threads, NGINX_PROXY.format(dir=self.dir, port=port, tls=tls))
        wait_for(port, proxy)
        version = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip().rsplit("/", 1)[-1]
        self.targets += [(proxy.pid, mode, p, "nginx " + version) for mode, p in (("l7", port), ("tls", tls), ("h2", tls))]

    def start_haproxy(self):
        tcp, http, tls = free_port(), free_port(), free_port()
        conf = os.path.join(self.dir, "haproxy.cfg")
        with open(conf, "w") as f:
            f.write(HAPROXY.format(dir=self.dir, threads=self.o.threads, tcp=tcp, http=http, tls=tls))
        p = self.spawn(["haproxy", "-db", "-f", conf])
        wait_for(tcp, p)
        text = subprocess.run(["haproxy", "-v"], capture_output=True, text=True).stdout
        name = "haproxy " + re.search(r"version (\d+\.\d+\.\d+)", text).group(1)
        self.targets += [(p.pid, "l4", tcp, name), (p.pid, "l7", http, name), (p.pid, "tls", tls, name), (p.pid, "h2", tls, name)]

    def stop(self):
        for p in reversed(self.processes):
            if getattr(p, "is_ours", False):
                p.stdin.close()
            else:
                p.terminate()
        for p in self.processes:
            p.wait()
