#!/usr/bin/env python3
"""Our proxy beside haproxy and nginx: same backend, same load tool, same run, interleaved rounds.

    bench/peers/proxy/run.py [--json] [--build DIR] [--rounds N] [--seconds S] [--connections N] [--threads N] [--only MODE]
                             [--idle N] [--changes N]

The backend is an nginx on a unix socket, the load wrk (HTTP/2: h2load) over loopback; load, proxy and backend share the
machine. Then all get the same open-loop load, for latency (equal_load.py), and idle connections are held (idle.py), and
all are changed again and again under load (reloads.py).
Every proxy gets the same number of threads. A peer that is not installed is listed as absent. Exit status 1 when
an answer of ours was lost.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

from equal_load import measure_equal_load, report_equal_load
from idle import measure_idle, report_idle
from peers import Peers, children_of
from reloads import measure_reloads, report_reloads

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


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


class Bench(Peers):
    def cpu(self, pid):
        """CPU seconds of a process and its children so far"""
        ticks = 0
        for p in [pid] + children_of(pid):
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


def report(rows, equal, idle, reloads, facts, absent, version):
    results, peers = [], []
    report_equal_load(equal, results, peers)
    report_idle(idle, results, peers)
    report_reloads(reloads, results, peers)
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
        elif "changes" in x:
            print(f"  {x['peer']:20} {x['changes']} times: {x['failed']} of {x['requests']} failed ("
                  + ", ".join(f"{k} {n}" for k, n in x["by_kind"].items()) + ")")
        elif "held" in x:
            print(f"  {x['name']:20} {x['peer']:18} holds {x['held']} of {x['wanted']}, {x['value']} {x['unit']}: "
                  f"{x['ratio']:.2f} x ours")
        elif "rate" in x:
            print(f"  {x['name']:22} p99 of {x['peer']:18} at {x['rate']}/s: median {x['ratio']:.2f} x ours   rounds "
                  + " ".join(f"{q:.2f}" for q in x["rounds"]) + f"   ({x['value']:.2f} ms; p50 {x['p50_ratio']:.2f} x ours)"
                  + (f" THEIRS FAILED {x['failed']}" if x["failed"] else ""))
        else:
            print(f"  {x['name']:20} ours / {x['peer']:18} median {x['ratio']:.2f}   rounds "
                  + " ".join(f"{q:.2f}" for q in x["rounds"]) + f"   ({x['value']:.0f} {x['unit']}; per CPU second {x['cpu_ratio']:.2f})"
                  + (f" THEIRS FAILED {x['failed']}" if x["failed"] else ""))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--json", action="store_true", help="one JSON object and nothing else on standard output")
    a.add_argument("--build", default=os.path.join(ROOT, "build", "release"), help="build folder (release)")
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--seconds", type=int, default=3)
    a.add_argument("--connections", type=int, default=64)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--idle", type=int, default=0, help="hold at most so many idle connections")
    a.add_argument("--changes", type=int, default=10, help="reloads and shifts under load")
    a.add_argument("--only", action="append", help="l4, l7, tls, h2, idle, reloads; may be given again")
    o = a.parse_args()
    for tool in ("nginx", "wrk", "h2load", "openssl"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed: apt-get install {'nghttp2-client' if tool == 'h2load' else tool}")
    with tempfile.TemporaryDirectory(prefix="osvm-bench-") as folder:
        bench = Bench(o, folder)
        try:
            bench.start()
            rows = bench.run()
            equal = measure_equal_load(o, bench)
        finally:
            bench.stop()
        idle = measure_idle(o, folder)
        reloads = measure_reloads(o, folder)
    with open(os.path.join(ROOT, "CMakeLists.txt")) as f:
        version = re.search(r"project\(osvm VERSION ([\d.]+)", f.read()).group(1)
    r = report(rows, equal, idle, reloads, host_facts(o.build), bench.absent, version)
    if o.json:
        print(json.dumps(r))
    else:
        show(r)
    return 1 if any(x["name"].endswith(".failed") and x["value"] for x in r["results"]) else 0


if __name__ == "__main__":
    sys.exit(main())
