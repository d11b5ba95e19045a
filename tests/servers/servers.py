#!/usr/bin/python3
"""Runs servers of Debian natively and in a VM of their own, and asks both the same: their answers must be equal.

  servers.py [--only TEXT]

OSVM_BINARY is the program under test, OSVM_GUEST_DIR the folder of the programs that the build makes. Exit status 77:
no /dev/kvm.
"""

import argparse
import hashlib
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import time

OSVM = os.environ.get("OSVM_BINARY", "osvm")
GUESTS = os.environ.get("OSVM_GUEST_DIR", ".")
PATIENCE = 120  # seconds until a server must answer, on a machine that does much else


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def dial(port):
    s = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    s.settimeout(PATIENCE)
    return s


def talk(port, text, wrap=None):
    """Sends, then reads to the end. Empty when nobody is there yet."""
    try:
        with dial(port) as plain:
            s = wrap(plain) if wrap else plain
            s.sendall(text)
            answer = b""
            while piece := s.recv(65536):
                answer += piece
            return answer
    except OSError:
        return b""


# --- what is asked ---------------------------------------------------------------------------------------------


def redis(port):
    commands = [b"PING", b"SET a 1", b"INCRBY a 41", b"GET a", b"RPUSH l x y z", b"LRANGE l 0 -1", b"HSET h f v",
                b"HGETALL h", b"EVAL \"return redis.call('get','a')\" 0", b"OBJECT ENCODING a",
                # Not inline: of those redis refuses one whose first 64 KiB come before its end does.
                b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$100000\r\n" + b"v" * 100000, b"STRLEN big", b"ZADD z 1 one 2 two", b"ZRANGE z 0 -1 WITHSCORES",
                b"MULTI", b"INCR a", b"EXEC", b"DBSIZE", b"NOSUCH", b"QUIT"]
    return talk(port, b"\r\n".join(commands) + b"\r\n")


def memcached(port):
    lines = [b"set k 0 0 5", b"hello", b"get k", b"add k 0 0 1", b"x", b"append k 0 0 6", b" world", b"get k",
             b"set n 0 0 1", b"7", b"incr n 35", b"delete k", b"get k", b"version", b"quit"]
    return talk(port, b"\r\n".join(lines) + b"\r\n")


def web(*paths, wrap=None, keep=(b"HTTP/", b"Content-Length", b"Content-Type")):
    """Heads (without dates) and digests of bodies."""

    def ask(port):
        out = b""
        for path in paths:
            answer = talk(port, b"GET " + path + b" HTTP/1.0\r\nHost: localhost\r\n\r\n", wrap)
            head, _, body = answer.partition(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if line.startswith(keep)]
            out += path + b"\n" + b"\n".join(sorted(lines)) + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n"
        return out

    return ask


def tls(plain):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname="localhost")


def lines(count):
    def ask(port):
        return talk(port, b"".join(b"line %d\n" % i for i in range(count)) + b"quit\n")

    return ask


# --- who is asked ------------------------------------------------------------------------------------------------

ASYNCIO = """
import asyncio, sys
async def handle(r, w):
    while (line := await r.readline()) not in (b"", b"quit\\n"):
        w.write(line.upper())
        await w.drain()
    w.close()
async def main():
    s = await asyncio.start_server(handle, "127.0.0.1", int(sys.argv[1]))
    async with s:
        await s.serve_forever()
asyncio.run(main())
"""
NGINX = """master_process off; daemon off; error_log /dev/null; pid {work}/nginx.pid;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
  uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5; sendfile on;
  server {{ listen 127.0.0.1:{port}; root {work}/site; gzip on; }} }}
"""
LIGHTTPD = """server.document-root = "{work}/site"
server.port = {port}
server.bind = "127.0.0.1"
server.upload-dirs = ("{work}")
index-file.names = ("index.html")
mimetype.assign = (".html" => "text/html", "" => "application/octet-stream")
"""
PYTHON = ["/usr/lib/python3.11"]
PAGES = web(b"/", b"/index.html", b"/big.bin", b"/missing")


class Server:
    def __init__(self, argv, ask, files=None, ro=(), options=()):
        self.argv, self.ask, self.files = argv, ask, files or {}
        self.ro, self.options = ro, list(options)


SERVERS = {
    "redis-server": Server(["/usr/bin/redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", "",
                            "--dir", "{work}"], redis),
    "memcached": Server(["/usr/bin/memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", "{port}", "-U", "0", "-c", "64",
                         "-t", "2"], memcached),
    "lighttpd": Server(["/usr/sbin/lighttpd", "-D", "-f", "{work}/lighttpd.conf"], PAGES,
                       {"lighttpd.conf": LIGHTTPD}),
    "nginx": Server(["/usr/sbin/nginx", "-p", "{work}", "-e", "/dev/null", "-c", "{work}/nginx.conf"], PAGES,
                    {"nginx.conf": NGINX}),
    "openssl s_server": Server(["/usr/bin/openssl", "s_server", "-accept", "127.0.0.1:{port}", "-key", "{work}/key.pem",
                                "-cert", "{work}/cert.pem", "-WWW", "-quiet"],
                               web(b"/index.html", b"/big.bin", wrap=tls)),
    "python http.server": Server(["/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory",
                                  "{work}/site", "{port}"], PAGES, ro=PYTHON, options=["--memory", "512MiB"]),
    "python asyncio": Server(["/usr/bin/python3", "{work}/echo.py", "{port}"], lines(200), {"echo.py": ASYNCIO}, ro=PYTHON,
                             options=["--memory", "512MiB"]),
}


def prepare(server, work, port):
    site = work / "site"
    site.mkdir()
    (site / "index.html").write_text("<p>hello</p>\n")
    (site / "big.bin").write_bytes(b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(20000)))
    for path in (site / "index.html", site / "big.bin"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    for name, text in server.files.items():
        (work / name).write_text(text.format(work=work, port=port))
    if "openssl" in server.argv[0]:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", work / "key.pem", "-out",
                        work / "cert.pem", "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True)


def ready(server, child, port):
    """Asks until there is an answer: the first connections of a server that starts may be refused or closed."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and child.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as s:
                s.settimeout(1)
                try:
                    if s.recv(1, socket.MSG_PEEK) == b"":
                        raise OSError("closed: the guest does not listen yet")
                except socket.timeout:
                    pass  # open, and waits for us to speak
                return True
        except OSError:
            time.sleep(0.02)
    return False


def serve(server, inside):
    with tempfile.TemporaryDirectory(prefix="osvm-servers-") as folder:
        # One path for both runs: programs print paths.
        work, port = pathlib.Path(folder) / "work", free_port()
        work.mkdir(mode=0o777)
        prepare(server, work, port)
        os.chmod(folder, 0o755)
        argv = [a.replace("{work}", str(work)).replace("{port}", str(port)) for a in server.argv]
        cwd = work / "site"
        if inside:
            host = free_port()
            grants = ["--publish", f"127.0.0.1:{host}=guest:{port}", "--rw", f"{work}:{work}", "--cwd", str(cwd)]
            for tree in server.ro:
                grants += ["--ro", f"{tree}:{tree}"]
            argv, port = [OSVM, "run", "--stats", *server.options, *grants, *argv], host
        with open(work / "log", "wb") as log:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cwd)
        try:
            if not ready(server, child, port):
                return None, (work / "log").read_text(errors="replace")
            answer = server.ask(port)
        finally:
            child.terminate()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        return answer, (work / "log").read_text(errors="replace")


def run_asio():
    program = os.path.join(GUESTS, "asio_server")
    native = subprocess.run([program], capture_output=True, timeout=PATIENCE)
    inside = subprocess.run([OSVM, "run", program], capture_output=True, timeout=PATIENCE)
    if native.returncode != 0:
        return f"natively: {native}"
    same = (native.stdout, native.returncode) == (inside.stdout, inside.returncode)
    return "" if same else f"native {native.stdout!r}, inside {inside}"


def compare(server):
    native, log = serve(server, False)
    if not native:
        return f"no native answer: {log[-500:]}"
    inside, log = serve(server, True)
    if inside != native:
        return f"native {native[-600:]!r}\n  inside {inside[-600:] if inside else inside!r}\n  {log[-1500:]}"
    return ""


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    chosen = options.parse_args()
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("SKIPPED: /dev/kvm cannot be opened")
        return 77
    failed = []
    jobs = {name: (lambda s=server: compare(s)) for name, server in SERVERS.items()}
    jobs["asio server (built here)"] = run_asio
    for name, job in jobs.items():
        if chosen.only not in name:
            continue
        if name in SERVERS and not os.path.exists(SERVERS[name].argv[0]):
            wrong = f"{SERVERS[name].argv[0]} is not installed (tools/dev/run setup test)"
        else:
            wrong = job()
        print(f"FAILED {name}\n  {wrong}" if wrong else f"ok     {name}", flush=True)
        failed += [name] if wrong else []
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
