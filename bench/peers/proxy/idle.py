"""Idle connections: how many each proxy holds, and what memory each of them costs it.

A connection is idle after one request was answered on it; a client of its own process holds them, so the limit of
descriptors is each process's own. Memory is what the proxy's processes have more of than before (resident, without
shared pages of files): what the kernel keeps for sockets is not in it. Every proxy is started anew for each kind.
"""
import os
import resource
import subprocess
import sys

from peers import Peers, children_of

CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "idle_client.py")
# Of 20,000 descriptors; an L4 connection needs two of the proxy's.
WANTED = {"l7": 18_000, "l4": 9_000, "tls": 4_000}


def room():
    """Descriptors that a process may have"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def memory(pid):
    """Bytes of a process and its children"""
    total = 0
    for p in [pid] + children_of(pid):
        with open(f"/proc/{p}/smaps_rollup") as f:
            for line in f:
                if line.startswith(("Private_Dirty:", "Shared_Dirty:")):
                    total += int(line.split()[1]) * 1024
    return total


def hold(pid, mode, port, count):
    before = memory(pid)
    client = subprocess.Popen([sys.executable, CLIENT, str(port), str(count)] + (["tls"] if mode == "tls" else []),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        opened = int(client.stdout.readline())
        grown = memory(pid) - before
        client.stdin.write("again\n")
        client.stdin.flush()
        alive = int(client.stdout.readline())
    finally:
        client.stdin.close()
        client.wait()
    return {"opened": opened, "alive": alive, "bytes": grown / max(1, opened)}


def measure_idle(options, folder):
    """rows[mode][who] = what hold() says"""
    limit = room()
    rows = {}
    for mode, wanted in WANTED.items():
        if options.only and "idle" not in options.only:
            continue
        count = min(wanted, options.idle or wanted, (limit - 1_000) // (2 if mode == "l4" else 1))
        peers = Peers(options, folder)
        try:
            peers.start()
            for pid, of, port, who in peers.targets:
                if of == mode:
                    rows.setdefault(mode, {})[who] = dict(hold(pid, mode, port, count), wanted=count)
        finally:
            peers.stop()
    return rows


def report_idle(idle, results, peers):
    for mode, by_who in idle.items():
        for who, m in by_who.items():
            if who == "osvm":
                results.append({"name": f"idle.{mode}.held", "unit": "connections", "value": m["alive"]})
                results.append({"name": f"idle.{mode}.memory", "unit": "bytes each", "value": round(m["bytes"])})
                results.append({"name": f"idle.{mode}.failed", "unit": "connections", "value": m["wanted"] - m["alive"]})
            else:
                peers.append({"peer": who, "name": f"idle.{mode}", "unit": "bytes each", "rounds": [],
                              "ratio": round(m["bytes"] / max(1, by_who["osvm"]["bytes"]), 3),
                              "value": round(m["bytes"]), "held": m["alive"], "wanted": m["wanted"]})
