"""What a change costs under load: requests that fail while each proxy is changed again and again.

haproxy and nginx are reloaded, which is how they get another configuration; haproxy's runtime API and `osvm proxy
shift` change the backend inside a running process. All stand under the same open-loop load at once: keep-alive, a
connection for each request, and TLS.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from peers import BACKEND, NGINX_PROXY, Peers, free_port, wait_for

KINDS = [("keep-alive", 1_500, []), ("close", 500, ["--close"]), ("tls", 500, None)]
HAPROXY = """global
  nbthread {threads}
  stats socket {dir}/admin level admin expose-fd listeners
defaults
  mode http
  timeout connect 3s
  timeout client 60s
  timeout server 60s
frontend http
  bind 127.0.0.1:{http}
  bind 127.0.0.1:{tls} ssl crt {dir}/both.pem alpn h2,http/1.1
  default_backend b
backend b
  http-reuse always
  server one unix@{dir}/backend
  server two unix@{dir}/backend
"""
OURS = """threads: {threads}
control: "{dir}/control"
listeners:
  - {{name: http, listen: "tcp:127.0.0.1:{http}", service: web}}
  - {{name: tls, listen: "tcp:127.0.0.1:{tls}", service: web,
     tls: {{certificates: [{{chain: "{dir}/both.pem", key: "{dir}/both.pem"}}]}}}}
services:
  web: {{release: v0, backends: ["unix:{dir}/backend"]}}
"""


class Reloads(Peers):
    def __init__(self, options, folder):
        super().__init__(options, folder)
        self.osvm = os.path.join(options.build, "bin", "osvm")
        self.make_certificate()
        wait_for(os.path.join(folder, "backend"), self.nginx("backend", 1, BACKEND.format(dir=folder)))

    def begin(self, name, text, argv):
        http, tls = free_port(), free_port()
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text.format(dir=self.dir, threads=self.o.threads, http=http, tls=tls))
        p = self.spawn(argv + [path])
        wait_for(tls, p)
        return p, http, tls

    def runtime(self, line):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(self.dir, "admin"))
            s.sendall(line.encode() + b"\n")
            said = s.recv(4096).decode().strip()
        if said:
            raise RuntimeError(f"haproxy: {line}: {said}")

    def runtime_shift(self, n):
        to, other = ("one", "two") if n % 2 else ("two", "one")
        self.runtime(f"set server b/{to} state ready")
        self.runtime(f"set server b/{other} state drain")

    def shift(self, config, n):
        subprocess.run([self.osvm, "proxy", "shift", "web", "--release", f"v{n + 1}", "--backend",
                        f"unix:{self.dir}/backend", "-c", config], check=True, capture_output=True)

    def under_load(self, http, tls, change):
        """Requests, and how many of them failed, while `change` is called now and then"""
        running = []
        for _, rate, more in KINDS:
            argv = [self.osvm, "bench", "load", f"tcp:127.0.0.1:{http if more is not None else tls}", "--json",
                    "--rate", str(rate), "--time", f"{self.o.seconds * 2}s", "--connections", "16"]
            argv += more if more is not None else ["--tls", "--ca", f"{self.dir}/both.pem", "--host", "localhost"]
            running.append(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
        changes = self.o.changes
        for n in range(changes):
            time.sleep(self.o.seconds * 2 / (changes + 1))
            change(n)
        row = {"changes": changes, "requests": 0, "failed": 0, "by_kind": {}}
        for (kind, _, _), p in zip(KINDS, running):
            found = {r["name"]: r.get("value") for r in json.loads(p.communicate()[0])["results"]}
            row["requests"] += int(found["load.requests"])
            row["failed"] += int(found["load.failed"])
            row["by_kind"][kind] = int(found["load.failed"])
        return row

    def measure(self):
        """rows[who] = what under_load() says"""
        rows = {}
        p, http, tls = self.begin("ours.yaml", OURS, [self.osvm, "proxy", "-c"])
        p.is_ours = False
        rows["osvm proxy shift"] = self.under_load(http, tls, lambda n: self.shift(f"{self.dir}/ours.yaml", n))
        if shutil.which("haproxy"):
            p, http, tls = self.begin("ha.cfg", HAPROXY, ["haproxy", "-W", "-db", "-f"])
            rows["haproxy runtime API"] = self.under_load(http, tls, self.runtime_shift)
            rows["haproxy reload"] = self.under_load(http, tls, lambda n: p.send_signal(signal.SIGUSR2))
        http, tls = free_port(), free_port()
        proxy = self.nginx("proxy", max(2, self.o.threads), NGINX_PROXY.format(dir=self.dir, port=http, tls=tls))
        wait_for(http, proxy)
        rows["nginx reload"] = self.under_load(http, tls, lambda n: proxy.send_signal(signal.SIGHUP))
        return rows


def measure_reloads(options, folder):
    if options.only and "reloads" not in options.only:
        return {}
    bench = Reloads(options, folder)
    try:
        return bench.measure()
    finally:
        bench.stop()


def report_reloads(rows, results, peers):
    for who, row in rows.items():
        if who.startswith("osvm"):
            results.append({"name": "changes.requests", "unit": "requests", "value": row["requests"]})
            results.append({"name": "changes.failed", "unit": "requests", "value": row["failed"]})
        else:
            peers.append(dict(row, peer=who, name="changes"))
