"""A server that has warmed up once, and three more that go on where it stood."""

import http.client
import sys

import osvm


def ask(address: str) -> bytes:
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host.removeprefix("tcp:"), int(port), timeout=10)
    connection.request("GET", "/")
    return connection.getresponse().read()


server = sys.argv[1]
with osvm.Runtime() as runtime:
    with osvm.Instance([server, "8080", "v1"], listen=[8080], runtime=runtime) as warm:
        warm.endpoint(8080)  # it listens: its start-up is over
        template = warm.snapshot()
    print(f"template: {template.memory_bytes >> 10} KiB, {template.threads} thread(s)")
    for n in range(3):
        with template.spawn(name=f"clone-{n}", publish={"127.0.0.1:0": 8080}, runtime=runtime) as clone:
            clone.endpoint(8080)
            print(f"clone-{n}:", ask(clone.published[0]).decode().strip())
