"""Runs two releases of an HTTP server, each in its own virtual machine, behind one proxy, and shifts
between them.

python swap.py SERVER [PORT]      PORT is where the server listens inside its VM; default 8080
"""

import sys
import urllib.request

import osvm


def main() -> None:
    server = sys.argv[1]
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 8080
    facts = osvm.host_facts()  # probed once for both
    with (
        osvm.Instance([server], env={"OSVM_RELEASE": "v1"}, listen=[port], facts=facts) as v1,
        osvm.Instance([server], env={"OSVM_RELEASE": "v2"}, listen=[port], facts=facts) as v2,
        osvm.Proxy("127.0.0.1:0", backend=v1.endpoint(port), version="v1") as proxy,
    ):
        print(f"listening on {proxy.endpoint}; first release booted in {v1.stats().boot.total * 1e3:.2f} ms")
        url = "http://{}:{}/".format(*proxy.address)
        print(urllib.request.urlopen(url).headers["X-Osvm-Release"])
        print(proxy.shift(v2.endpoint(port), version="v2", drain=5).check())
        print(urllib.request.urlopen(url).headers["X-Osvm-Release"])
        stats = proxy.stats()
        print(f"{stats.requests} requests, {stats.failed} failed")


main()
