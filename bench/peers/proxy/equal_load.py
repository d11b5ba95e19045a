"""Latency at equal load: an open-loop client sends to each proxy at the same fixed rate, well below what any of them
can do, in interleaved rounds. Latency counts from when a request was due, so a stall is in the tail.
"""
import json
import os
import statistics
import subprocess

# (name, mode, requests per second, what else the client is told)
LOADS = [
    ("l4.requests", "l4", 8_000, []),
    ("l7.requests", "l7", 8_000, []),
    ("l7.connections", "l7", 3_000, ["--close"]),
    ("tls.requests", "tls", 6_000, []),
    ("tls.connections", "tls", 600, ["--close"]),
    ("h2.requests", "h2", 6_000, ["--http2"]),
]


def latency(options, folder, mode, port, rate, more):
    argv = [os.path.join(options.build, "bin", "osvm"), "bench", "load", f"tcp:127.0.0.1:{port}", "--json",
            "--rate", str(rate), "--time", f"{options.seconds}s", "--connections", str(options.connections)] + more
    if mode in ("tls", "h2"):
        argv += ["--tls", "--ca", os.path.join(folder, "both.pem"), "--host", "localhost"]
    results = json.loads(subprocess.run(argv, capture_output=True, text=True).stdout)["results"]
    found = {r["name"]: r for r in results}
    return {"p50": found["load.latency"]["p50"], "p99": found["load.latency"]["p99"],
            "failed": int(found["load.failed"]["value"])}


def measure_equal_load(options, peers):
    """rows[name][who] = list of measurements, one per round"""
    rows = {}
    for round_number in range(options.rounds):
        for name, mode, rate, more in LOADS:
            if options.only and mode not in options.only:
                continue
            order = [t for t in peers.targets if t[1] == mode]
            for _, _, port, who in order if round_number % 2 == 0 else order[::-1]:
                rows.setdefault(name, {}).setdefault(who, []).append(
                    latency(options, peers.dir, mode, port, rate, more))
    return rows


def report_equal_load(rows, results, peers):
    """Ratios are theirs to ours: above one, ours is the shorter."""
    rates = {name: rate for name, _, rate, _ in LOADS}
    for name, by_who in rows.items():
        ours = by_who["osvm"]
        results.append({"name": f"equal.{name}.p99", "unit": "ms", "n": len(ours),
                        "p50": statistics.median(m["p99"] for m in ours)})
        results.append({"name": f"equal.{name}.failed", "unit": "requests", "value": sum(m["failed"] for m in ours)})
        for who, theirs in by_who.items():
            if who != "osvm":
                ratios = [round(b["p99"] / a["p99"], 3) for a, b in zip(ours, theirs)]
                peers.append({"peer": who, "name": f"equal.{name}", "unit": "ms", "rounds": ratios,
                              "ratio": round(statistics.median(ratios), 3), "rate": rates[name],
                              "value": statistics.median(m["p99"] for m in theirs),
                              "p50_ratio": round(statistics.median(b["p50"] / a["p50"] for a, b in zip(ours, theirs)), 3),
                              "failed": sum(m["failed"] for m in theirs)})
