#!/usr/bin/env python3
"""Our proxy beside haproxy and nginx: same backend, same load tool, same run, interleaved rounds.

    bench/peers/proxy/run.py [--json] [--build DIR] [--rounds N] [--seconds S] [--connections N] [--threads N] [--only MODE]

The backend is an nginx on a unix socket, the load wrk (HTTP/2: h2load) over loopback; load, proxy and backend share the machine.
Every proxy gets the same number of threads. A peer that is not installed is listed as absent. Exit status 1 when
an answer of ours was lost.
"""
import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

NGINX_COMMON = """daemon off; master_process {master}; worker_processes {workers}; pid {dir}/{name}.pid;
error_log {dir}/{name}.err; events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
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
  maxconn 8000
defaults
  timeout connect 3s
  timeout client 60s
  timeout server 60s
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


def host_facts(build):
    with open("/proc/cpuinfo") as f:
        cpu = next((l.split(":", 1)[1].strip() for l in f if l.startswith("model name")), "unknown")
    facts = {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "kernel": os.uname().release, "kvm": None,
             "isolation": "none"}
    osvm = os.path.join(build, "bin", "osvm")
    if os.path.exists(osvm):
        out = subprocess.run([osvm, "doctor", "kvm", "--json"], capture_output=True, text=True)
        try:
            facts["kvm"] = json.loads(out.stdout)
        except ValueError:
            pass
    return facts


class Bench:
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
            f.write(NGINX_COMMON.format(dir=self.dir, name=name, workers=workers,
                                        master="on" if workers > 1 else "off", body=body))
        return self.spawn(["nginx", "-c", conf, "-p", self.dir])

    def make_certificate(self):
        at = os.path.join(self.dir, "both.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-batch", "-subj", "/CN=127.0.0.1", "-days", "2", "-keyout", at + ".key", "-out", at],
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

    def cpu(self, pid):
        """CPU seconds of a process and its children so far"""
        ticks = 0
        children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
        for p in [str(pid)] + children:
            with open(f"/proc/{p}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def load(self, mode, port, close, pid):
        before = self.cpu(pid)
        m = self.h2load(port) if mode == "h2" else self.wrk("https" if mode == "tls" else "http", port, close)
        m["cpu"] = (self.cpu(pid) - before) / max(1, m["rate"] * self.o.seconds) * 1e6
        return m

    def h2load(self, port):
        """Requests over HTTP/2 and TLS, 16 at a time on each connection"""
        text = subprocess.run(["h2load", "-t1", f"-c{max(1, self.o.connections // 16)}", "-m16",
                               "-D", str(self.o.seconds), f"https://127.0.0.1:{port}/"],
                              capture_output=True, text=True).stdout
        rate = re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", text)
        lost = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", text)
        codes = re.search(r"(\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
        return {"rate": float(rate.group(1)) if rate else 0.0, "p99": None,
                "failed": sum(map(int, lost.groups() + codes.groups())) if lost and codes else 1}

    def wrk(self, scheme, port, close):
        argv = ["wrk", "-t1", f"-c{self.o.connections}", f"-d{self.o.seconds}s", "--latency"]
        if close:
            argv += ["-H", "Connection: close"]
        text = subprocess.run(argv + [f"{scheme}://127.0.0.1:{port}/"], capture_output=True, text=True).stdout
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        non2xx = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
        return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
                "p99": float(p99.group(1)) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[p99.group(2)] if p99 else None,
                "failed": (sum(map(int, errors.groups())) if errors else 0) + (int(non2xx.group(1)) if non2xx else 0)}

    def run(self):
        """rows[(mode, close)][who] = list of measurements, one per round"""
        rows = {}
        for round_number in range(self.o.rounds):
            for close in (False, True):
                order = self.targets if round_number % 2 == 0 else self.targets[::-1]
                for pid, mode, port, who in order:
                    if (self.o.only and mode not in self.o.only) or (close and mode == "h2"):
                        continue
                    rows.setdefault((mode, close), {}).setdefault(who, []).append(self.load(mode, port, close, pid))
        return rows

    def stop(self):
        for p in reversed(self.processes):
            if getattr(p, "is_ours", False):
                p.stdin.close()
            else:
                p.terminate()
        for p in self.processes:
            p.wait()


def report(rows, facts, absent, version):
    results, peers = [], []
    for (mode, close), by_who in sorted(rows.items()):
        name = f"{mode}.{'connections' if close else 'requests'}"
        ours = by_who["osvm"]
        rates = sorted(m["rate"] for m in ours)
        results.append({"name": name, "unit": "1/s", "n": len(rates), "min": rates[0],
                        "p50": statistics.median(rates), "max": rates[-1]})
        p99s = [m["p99"] for m in ours if m["p99"] is not None]
        if p99s:
            results.append({"name": name + ".p99", "unit": "ms", "n": len(p99s), "p50": statistics.median(p99s)})
        results.append({"name": name + ".cpu", "unit": "us", "n": len(ours),
                        "p50": statistics.median(m["cpu"] for m in ours)})
        results.append({"name": name + ".failed", "unit": "requests", "value": sum(m["failed"] for m in ours)})
        for who, theirs in by_who.items():
            if who == "osvm":
                continue
            # A round in which a peer answered nothing says something about the machine.
            ratios = [round(a["rate"] / b["rate"], 3) for a, b in zip(ours, theirs) if b["rate"]]
            if not ratios:
                absent.append(f"{who} ({name}: no answers)")
                continue
            peers.append({"peer": who, "name": name, "unit": "1/s", "rounds": ratios,
                          "ratio": round(statistics.median(ratios), 3),
                          "cpu_ratio": round(statistics.median(
                              b["cpu"] / max(a["cpu"], 1e-9) for a, b in zip(ours, theirs)), 3),
                          "value": statistics.median(m["rate"] for m in theirs),
                          "failed": sum(m["failed"] for m in theirs)})
    peers += [{"peer": p, "absent": True} for p in absent]
    return {"bench": "proxy", "version": version, "host": facts, "results": results, "peers": peers}


def show(r):
    h = r["host"]
    print(f"{h['cpu']}, {h['cores']} cores, Linux {h['kernel']}")
    for x in r["results"]:
        print(f"  {x['name']:26} {x.get('value', x.get('p50')):12.2f} {x['unit']}")
    for x in r["peers"]:
        if x.get("absent"):
            print(f"  {x['peer']}: absent")
        else:
            print(f"  {x['name']:20} ours / {x['peer']:18} median {x['ratio']:.2f}   rounds "
                  + " ".join(f"{q:.2f}" for q in x["rounds"]) + f"   ({x['value']:.0f} {x['unit']}; per CPU second {x['cpu_ratio']:.2f})")


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--json", action="store_true", help="one JSON object and nothing else on standard output")
    a.add_argument("--build", default=os.path.join(ROOT, "build", "release"), help="build folder (release)")
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--seconds", type=int, default=3)
    a.add_argument("--connections", type=int, default=64)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--only", action="append", help="l4, l7, tls, h2; may be given again")
    o = a.parse_args()
    for tool in ("nginx", "wrk", "h2load", "openssl"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed: apt-get install {'nghttp2-client' if tool == 'h2load' else tool}")
    with tempfile.TemporaryDirectory(prefix="osvm-bench-") as folder:
        bench = Bench(o, folder)
        try:
            bench.start()
            rows = bench.run()
        finally:
            bench.stop()
    with open(os.path.join(ROOT, "CMakeLists.txt")) as f:
        version = re.search(r"project\(osvm VERSION ([\d.]+)", f.read()).group(1)
    r = report(rows, host_facts(o.build), bench.absent, version)
    if o.json:
        print(json.dumps(r))
    else:
        show(r)
    return 1 if any(x["name"].endswith(".failed") and x["value"] for x in r["results"]) else 0


if __name__ == "__main__":
    sys.exit(main())
