#!/usr/bin/env python3
"""The client of the idle bench, a process of its own: opens connections, asks once on each, holds them.

    idle_client.py PORT CONNECTIONS [tls]

Prints how many were answered; when a line comes on its input it asks again on each, and prints how many were answered
then: a connection that was lost meanwhile does not count.
"""
import socket
import ssl
import sys

REQUEST = b"GET / HTTP/1.1\r\nHost: idle\r\n\r\n"
END = b"hello from nginx!\n"


def answered(s):
    """One request and its whole answer"""
    try:
        s.sendall(REQUEST)
        got = b""
        while not got.endswith(END):
            part = s.recv(4096)
            if not part:
                return False
            got += part
        return got.startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def main():
    port, count, tls = int(sys.argv[1]), int(sys.argv[2]), len(sys.argv) > 3
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    held = []
    for _ in range(count):
        try:
            s = socket.create_connection(("127.0.0.1", port), timeout=20)
            held.append(context.wrap_socket(s) if tls else s)
        except OSError:
            break
        if not answered(held[-1]):
            held.pop().close()
            break
    print(len(held), flush=True)
    sys.stdin.readline()
    print(sum(answered(s) for s in held), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
