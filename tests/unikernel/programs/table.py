"""Programs of Debian 12, unmodified, each with one job: the table that harness.py runs natively and inside."""

import pathlib
from dataclasses import dataclass, field

SCRIPTS = pathlib.Path(__file__).parent / "scripts"

PYTHON_TREE = ("/usr/lib/python3.11",)
PERL_TREE = ("/usr/lib/x86_64-linux-gnu/perl", "/usr/lib/x86_64-linux-gnu/perl-base", "/usr/share/perl", "/usr/share/perl5")
NUMBERS = "".join(f"{n}\n" for n in range(1, 2001))
WORDS = "".join(f"{w} {i * 7919 % 1000}\n" for i, w in enumerate(["pear", "apple", "fig", "plum", "kiwi"] * 200))
JSON = '{"items": [%s]}\n' % ", ".join('{"id": %d, "name": "n%d", "on": %s}' % (i, i, "true" if i % 3 else "false")
                                       for i in range(500))


@dataclass(frozen=True)
class Job:
    what: str  # what it did, for people
    argv: list[str]  # argv[0] is the program; {work} is a folder of the job's own, mounted read-write
    package: str
    stdin: str = ""
    ro: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)  # written into {work} before
    outputs: tuple[str, ...] = ()  # files below {work} whose content must be equal afterwards
    memory: str = "256MiB"
    written: str = "256MiB"
    status: int = 0
    long: bool = False  # only in `make test-all`
    same: bool = True  # False: a speed test, whose output differs from run to run; `check` looks at it
    check: str = ""  # text that both outputs must have
    allow: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    version: str = ""  # of the program, where it is not the package's
    program: str = ""  # its name, where argv[0] only drives it
    needs: str = ""  # a file that must be there, or the job is skipped by name: no package that the set-up installs has it
    root: bool = True  # False: natively as an ordinary user, where the program refuses to be root


def busybox(applet, *words, **more):
    return Job(f"busybox {applet}", ["/usr/bin/busybox", applet, *words], "busybox", **more)


BUSYBOX = [
    busybox("awk", "{s+=$1} END{print s, NR}", stdin=NUMBERS),
    busybox("sed", "-n", "s/9$/<9>/gp", stdin=NUMBERS),
    busybox("grep", "-c", "7", stdin=NUMBERS),
    busybox("sort", "-rn", stdin=NUMBERS),
    busybox("uniq", "-c", stdin="a\na\nb\n"),
    busybox("wc", stdin=WORDS),
    busybox("head", "-n", "5", stdin=NUMBERS),
    busybox("tail", "-n", "5", stdin=NUMBERS),
    busybox("cut", "-d", " ", "-f", "2", stdin=WORDS),
    busybox("tr", "a-z", "A-Z", stdin=WORDS),
    busybox("md5sum", stdin=NUMBERS),
    busybox("sha1sum", stdin=NUMBERS),
    busybox("sha256sum", stdin=NUMBERS),
    busybox("sha512sum", stdin=NUMBERS),
    busybox("crc32", stdin=NUMBERS),
    busybox("od", "-An", "-tx1", stdin="0123456789abcdef"),
    busybox("hexdump", "-C", stdin="0123456789abcdef"),
    busybox("uuencode", "-m", "x", stdin=WORDS),
    busybox("gzip", "-c", stdin=NUMBERS, same=True),
    busybox("bzip2", "-c", stdin=NUMBERS),
    busybox("seq", "1", "20"),
    busybox("expr", "6", "*", "7"),
    busybox("factor", "1234567890"),
    busybox("printf", "%05d %s\\n", "42", "x"),
    busybox("dc", "-e", "2 100 ^ p"),
    busybox("rev", stdin=WORDS),
    busybox("tac", stdin=WORDS),
    busybox("fold", "-w", "10", stdin=WORDS),
    busybox("tee", "{work}/copy", stdin=WORDS, outputs=("copy",)),
    busybox("cp", "{work}/a", "{work}/b", files={"a": WORDS}, outputs=("b",)),
    busybox("mkdir", "-p", "{work}/x/y/z", outputs=("x",)),
    busybox("ls", "-1", "{work}", files={"a": "", "b": ""}),
    busybox("find", "{work}", "-type", "f", files={"a": "", "d/b": ""}),
    busybox("tar", "cf", "{work}/t.tar", "-C", "{work}", "a", files={"a": WORDS}, outputs=()),
    busybox("diff", "{work}/a", "{work}/b", files={"a": "1\n2\n", "b": "1\n3\n"}, status=1),
    busybox("sh", "-c", "i=0; while [ $i -lt 200 ]; do i=$((i+1)); done; echo $i"),
]

BASH_SCRIPT = r"""
declare -A count
while read -r word n; do ((count[$word] += n)); done
for w in "${!count[@]}"; do echo "$w ${count[$w]}"; done > "$1/totals"
mapfile -t lines < "$1/totals"
echo "${#lines[@]} words"
fib() { local a=0 b=1 i t; for ((i = 0; i < $1; i++)); do t=$((a + b)); a=$b; b=$t; done; REPLY=$a; }
fib 60; echo "fib $REPLY"
text="the quick brown fox"; echo "${text^^} ${text//o/0} ${#text} ${text:4:5}"
printf '%(%Y)T %08.3f %q\n' 0 3.14159 "a b"
[[ "v12.5" =~ ^v([0-9]+)\.([0-9]+)$ ]] && echo "${BASH_REMATCH[2]}"
trap 'echo bye' EXIT
"""

PYTHON_SCRIPT = r"""
import collections, dataclasses, datetime, decimal, functools, hashlib, heapq, itertools, json, math, os, random, re
import sqlite3, statistics, string, struct, sys, tempfile, textwrap, threading, time, zlib
work = sys.argv[1]
words = collections.Counter(line.split()[0] for line in sys.stdin)
print(sorted(words.items()))
print(hashlib.sha256(b"x" * 1000).hexdigest(), zlib.crc32(b"hello"), struct.pack("<IH", 1, 2).hex())
random.seed(7)
values = [random.random() for _ in range(1000)]
print(round(statistics.fmean(values), 6), heapq.nsmallest(2, values))
print(decimal.Decimal(1) / 7, math.factorial(30), datetime.date(2024, 2, 29).isoformat())
total, lock = 0, threading.Lock()
def add(n):
    global total
    for _ in range(n):
        with lock: total += 1
threads = [threading.Thread(target=add, args=(2000,)) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print("threads", total)
path = os.path.join(work, "data.json")
with open(path, "w") as f: json.dump({"words": words}, f, sort_keys=True)
os.rename(path, path + ".done")
print(os.path.getsize(path + ".done"), sorted(os.listdir(work)))
db = sqlite3.connect(os.path.join(work, "p.db"))
db.execute("create table t(a, b)"); db.executemany("insert into t values(?, ?)", ((i, i * i) for i in range(5000))); db.commit()
print(db.execute("select count(*), sum(b) from t").fetchone())
with tempfile.TemporaryFile(dir=work) as f:
    f.write(b"abc" * 1000); f.seek(0); print(len(f.read()))
try: os.stat("/no/such")
except FileNotFoundError as e: print(e.errno, e.strerror)
"""

LMDB_SCRIPT = r"""
import lmdb, mmap, os, sys
work = sys.argv[1]
env = lmdb.open(work + "/db", map_size=1 << 26, max_dbs=2, writemap=sys.argv[2] == "writemap")
a, b = env.open_db(b"a"), env.open_db(b"b", dupsort=True)
for part in range(4):
    with env.begin(write=True) as t:
        for i in range(part * 500, part * 500 + 500):
            t.put(b"%06d" % (i * 7919 % 2000), b"v" * (i % 300), db=a)
            t.put(b"k%d" % (i % 10), b"%d" % i, db=b)
with env.begin() as old:
    with env.begin(write=True) as t: t.delete(b"000007", db=a)
    print(len(old.get(b"000007", db=a)), old.stat(a)["entries"])
with env.begin() as t: print(t.get(b"000007", db=a), t.stat(a)["entries"], sum(1 for _ in t.cursor(db=b)))
env.sync(True); env.close()
with open(work + "/shared", "w+b") as f:
    f.truncate(100000)
    with mmap.mmap(f.fileno(), 0) as m:
        m[50000:50005] = b"hello"; m.flush(); f.seek(50000); print(f.read(5))
        os.pwrite(f.fileno(), b"written", 99000); print(m[99000:99007], m.find(b"written"))
"""

PERL_SCRIPT = r"""
use strict; use warnings; use List::Util qw(sum max); use POSIX qw(floor strftime); use Digest::SHA qw(sha256_hex);
my ($work) = @ARGV; my %n;
while (<STDIN>) { my ($w, $c) = split; $n{$w} += $c }
print "$_ $n{$_}\n" for sort keys %n;
print sum(1 .. 100), " ", max(3, 9, 2), " ", floor(3.7), " ", strftime("%Y-%m-%d", gmtime(0)), "\n";
print sha256_hex("hello"), "\n";
open(my $f, ">", "$work/out") or die $!; print $f join(",", map { $_ * $_ } 1 .. 50), "\n"; close $f;
open($f, "<", "$work/out") or die $!; my $line = <$f>; print length($line), "\n";
(my $t = "foo bar baz") =~ s/(\w+)/\u$1/g; print "$t\n"; printf "%s\n", join " ", reverse split / /, $t;
utime 1000, 2000, "$work/out"; print((stat "$work/out")[9], "\n");
"""

SQL_SMALL = """create table t(id integer primary key, name text, v real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
insert into t select i, 'name' || (i % 97), i * 0.5 from n;
create index by_name on t(name);
select name, count(*), sum(v) from t group by name order by 3 desc limit 5;
select json_object('n', count(*), 'avg', round(avg(v), 3)) from t;
pragma integrity_check;
"""
SQL_LARGE = """pragma journal_mode = delete;
create table t(id integer primary key, name text, v integer);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)
insert into t select i, 'row ' || i || ' ' || hex(i * 2654435761 % 4294967296), i * 37 % 1009 from n;
commit;
create index by_v on t(v);
update t set v = v + 1 where id % 10 = 0;
delete from t where id % 1000 = 7;
select count(*), sum(v), min(name), max(name) from t;
select v, count(*) from t group by v order by 2 desc, 1 limit 5;
vacuum;
pragma integrity_check;
"""

# What programs that start others may read.
SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc")
PIPELINE = """
set -e
seq 1 500 | sed 's/5/five/g' | sort -r | uniq -c | head -20
for word in a b c; do (echo "sub $word"; exit 3) || echo "status $?"; done
sum=$(cat "$1/numbers" | awk '{s += $1} END {print s}')
echo "sum $sum"
find "$1" -name '*.txt' | sort | xargs -n 1 basename
diff <(echo one; echo two) <(echo one; echo three) || true
trap 'echo trapped' TERM; kill -TERM $$; wait
sleep 100 & kill $!; wait $! || echo "killed $?"
"""
MAKEFILE = """
prog: a.o b.o
\tgcc -o $@ $^
%.o: %.c
\tgcc -O1 -c $< -o $@
"""
CHILDREN = """
import multiprocessing, os, subprocess, sys
print(subprocess.run(["sort"], input=b"b\\na\\n", capture_output=True).stdout)
try:
    subprocess.run(["/nonexistent/program"])
except FileNotFoundError as error:
    print("not found", error.filename)
print(os.popen("echo popen; exit 3").read(), os.system("exit 5") >> 8)
def square(x):
    return x * x
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(pool.map(square, range(10)))
"""


def script(name):
    return (SCRIPTS / name).read_text()


MULTIPROCESS = [
    Job("master and two workers, 200 requests, reload, quit", ["/usr/bin/python3.11", "{work}/drive.py", "{work}"], "nginx",
        program="nginx", ro=SYSTEM, files={"drive.py": script("nginx.py")}, memory="1GiB", tmpfs=("/tmp",)),
    Job("initdb, server, psql with parallel workers, pgbench", ["/usr/bin/python3.11", "{work}/drive.py", "{work}"],
        "postgresql-15", program="postgres", needs="/usr/lib/postgresql/15/bin/postgres", ro=SYSTEM, root=False, long=True,
        files={"drive.py": script("postgres.py")}, memory="2GiB", written="1GiB", tmpfs=("/tmp", "/dev/shm")),
    Job("child_process: exec, spawn, pipes, signals, fork with messages", ["/usr/bin/node", "{work}/children.js"], "nodejs",
        needs="/usr/bin/node", ro=SYSTEM, files={"children.js": script("children.js")}, memory="4GiB", allow=("jit",),
        tmpfs=("/tmp",)),
    Job("43 scripts for a POSIX shell", ["/usr/bin/busybox", "sh", "{work}/posix.sh", "{work}"], "busybox", ro=SYSTEM,
        files={"posix.sh": script("posix.sh")} | {f"posix/{f.name}": f.read_text() for f in (SCRIPTS / "posix").glob("*.sh")},
        memory="512MiB", tmpfs=("/tmp",)),
]



def bash(what, package, program, text, **more):
    """A script of bash in {work} that uses `program`."""
    more = {"memory": "2GiB", "written": "1GiB", "tmpfs": ("/tmp", "/dev/shm")} | more
    return Job(what, ["/usr/bin/bash", "-c", "cd $0 && export HOME=$0\n" + text, "{work}"], package, program=program, ro=SYSTEM,
               **more)


WAIT = "for i in $(seq 600); do %s && break; sleep 0.05; done\n"
SPAWN = """
import asyncio, concurrent.futures, multiprocessing
def square(x):
    return x * x
async def children():
    p = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    print(await p.communicate(b"hi"))
    ended = await asyncio.gather(*[asyncio.create_subprocess_shell(f"exit {n}") for n in range(5)])
    print([await p.wait() for p in ended])
if __name__ == "__main__":
    asyncio.run(children())
    multiprocessing.set_start_method("spawn")
    with concurrent.futures.ProcessPoolExecutor(3) as pool:
        print(list(pool.map(square, range(8))))
    with multiprocessing.Manager() as manager:
        shared = manager.dict()
        shared[1] = 2
        print(dict(shared))
"""
RUST = """fn main() {
    println!("{}", std::thread::spawn(|| 42).join().unwrap());
    let out = std::process::Command::new("echo").arg("child").output().unwrap();
    print!("{}", String::from_utf8_lossy(&out.stdout));
}
"""
# A program that a guest has built is code that it made: the jit grant.
TOGETHER = [
    bash("a server, clients, a save by a child", "redis-server", "redis-server",
         "redis-server --port 0 --unixsocket $0/s --save '' > log &\n" + WAIT % "[ -S s ]" +
         "redis-cli -s s set a 1; redis-cli -s s incr a; seq 50 | sed 's/^/lpush l /' | redis-cli -s s | tail -n 1\n"
         "redis-cli -s s bgsave\n" + WAIT % "[ -e dump.rdb ]" +
         "redis-cli -s s shutdown nosave; wait; echo ended $?\n"),
    bash("master and worker, a request, an end by signal", "haproxy", "haproxy",
         "/usr/sbin/haproxy -W -f haproxy.cfg > log 2>&1 & p=$!\n" + WAIT % "[ -S f.sock ]" +
         "curl -q -sS --unix-socket f.sock http://x/; kill -USR1 $p; wait $p; echo $?\n",
         files={"haproxy.cfg": "defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n"
                               "frontend f\n bind unix@\"${HOME}/f.sock\"\n"
                               " http-request return status 200 content-type text/plain string hi\n"}),
    bash("a certificate, s_server, and curl over TLS", "openssl", "openssl",
         "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out c -subj /CN=localhost -days 2 2>/dev/null\n"
         "openssl s_server -accept 127.0.0.1:$((20000 + $$ % 10000)) -key k -cert c -www -quiet & p=$!; u=https://localhost:$((20000 + $$ % 10000))/\n" +
         WAIT % "curl -q -s --cacert c $u > /dev/null" +
         "curl -q -s --cacert c $u | grep -c 'New, TLSv1.3'; curl -q -s $u; echo $?; kill $p\n"),
    bash("a tree with a link and a FIFO, packed and unpacked", "tar", "tar",
         "mkdir a o; seq 1 1000 > a/x; ln -s x a/l; mkfifo a/p; tar czf t.tgz a; tar xzf t.tgz -C o; find o | sort; cmp a/x o/a/l && echo same"),
    bash("a project configured, built and run", "cmake", "cmake",
         "cmake -S . -B b -G Ninja > log 2>&1; echo $?; ninja -C b > log; echo $?; ./b/a; echo $?", allow=("jit",), long=True,
         files={"CMakeLists.txt": "cmake_minimum_required(VERSION 3.20)\nproject(p C)\nadd_executable(a a.c)\n",
                "a.c": "int main(void) { return 7; }\n"}),
    bash("compiles a program with threads and children, and runs it", "rustc", "rustc", "/usr/bin/rustc a.rs; ./a",
         allow=("jit",), long=True, needs="/usr/bin/rustc", files={"a.rs": RUST}),
    bash("four writers of one database", "sqlite3", "sqlite3",
         "sqlite3 d 'create table t(a)'\nfor i in 1 2 3 4; do (for n in $(seq 5); do"
         " sqlite3 -cmd '.timeout 60000' d \"insert into t values($n)\"; done) & done; wait; sqlite3 d 'select count(*), sum(a) from t'"),
    bash("System V semaphores and queues", "perl", "perl",
         "perl -MIPC::SysV=IPC_PRIVATE,IPC_CREAT -MIPC::Semaphore -e 'my $s = IPC::Semaphore->new(IPC_PRIVATE, 2, 0600 | IPC_CREAT);"
         " $s->setval(0, 3); $s->op(0, -1, 0); print $s->getval(0), qq(\\n); $s->remove;"
         " my $q = msgget(IPC_PRIVATE, 0600 | IPC_CREAT); msgsnd($q, pack(q(l! a*), 3, q(text)), 0);"
         " msgrcv($q, my $m, 10, 3, 0); print substr($m, 8), qq(\\n); msgctl($q, 0, 0)'"),
    Job("asyncio's children, spawned pools, a manager", ["/usr/bin/python3.11", "{work}/script.py"], "python3.11", ro=SYSTEM,
        files={"script.py": SPAWN}, tmpfs=("/dev/shm", "/tmp"), memory="1GiB"),
]

JOBS = BUSYBOX + MULTIPROCESS + TOGETHER + [
    Job("pipelines, subshells, traps, background jobs", ["/usr/bin/bash", "{work}/script", "{work}"], "bash", ro=SYSTEM,
        files={"script": PIPELINE, "numbers": NUMBERS, "x.txt": "x", "y.txt": "y"}, tmpfs=("/dev/shm",)),
    Job("pipelines", ["/usr/bin/dash", "-c", "echo b a c | tr ' ' '\\n' | sort | /usr/bin/nl; (exit 9); echo $?"], "dash", ro=SYSTEM),
    Job("builds a C program with gcc", ["/usr/bin/env", "PATH=/usr/bin:/bin", "make", "-s", "-C", "{work}"], "make", ro=SYSTEM,
        files={"Makefile": MAKEFILE, "a.c": "int f(void); int main(void) { return f(); }\n", "b.c": "int f(void) { return 42; }\n"},
        outputs=("prog",), tmpfs=("/tmp",)),
    Job("subprocess and multiprocessing", ["/usr/bin/python3.11", "{work}/script.py"], "python3.11", ro=SYSTEM,
        files={"script.py": CHILDREN}, tmpfs=("/dev/shm", "/tmp")),
    Job("script of builtins", ["/usr/bin/bash", "{work}/script", "{work}"], "bash", stdin=WORDS,
        files={"script": BASH_SCRIPT}, outputs=("totals",)),
    Job("arithmetic and loops", ["/usr/bin/dash", "-c", "for i in 1 2 3; do echo $((i*i)); done; set -- a b; echo $# ${x:-none}"], "dash"),
    Job("filter and reshape JSON", ["/usr/bin/jq", "[.items[] | select(.on) | {(.name): .id}] | add | to_entries | length, (map(.value) | add)"],
        "jq", stdin=JSON),
    Job("sort keys of JSON", ["/usr/bin/jq", "-cS", "."], "jq", stdin=JSON),
    Job("5,000 rows in memory", ["/usr/bin/sqlite3", ":memory:"], "sqlite3", stdin=SQL_SMALL),
    Job("database file of 5,000 rows", ["/usr/bin/sqlite3", "{work}/s.db"], "sqlite3", stdin=SQL_SMALL, outputs=("s.db",)),
    Job("database file of 100,000 rows", ["/usr/bin/sqlite3", "{work}/l.db"], "sqlite3", stdin=SQL_LARGE, outputs=("l.db",),
        long=True),
    Job("database with a write-ahead log", ["/usr/bin/sqlite3", "{work}/w.db"], "sqlite3",
        stdin="pragma journal_mode=wal;\npragma wal_autocheckpoint=5;\n" + SQL_SMALL, outputs=("w.db",)),
    Job("LMDB, shared memory of a file", ["/usr/bin/python3.11", "{work}/script.py", "{work}", "pages"], "python3-lmdb",
        ro=(*PYTHON_TREE, "/usr/lib/python3/dist-packages", "/usr/lib/x86_64-linux-gnu"),
        files={"script.py": LMDB_SCRIPT},
        outputs=("db/data.mdb", "shared")),
    Job("LMDB that writes by its mapping", ["/usr/bin/python3.11", "{work}/script.py", "{work}", "writemap"],
        "python3-lmdb", ro=(*PYTHON_TREE, "/usr/lib/python3/dist-packages", "/usr/lib/x86_64-linux-gnu"),
        files={"script.py": LMDB_SCRIPT},
        outputs=("shared",)),
    Job("group and sum", ["/usr/bin/gawk", '{n[$1] += $2} END {PROCINFO["sorted_in"] = "@ind_str_asc"; for (w in n) print w, n[w]}'],
        "gawk", stdin=WORDS),
    Job("fields and sums", ["/usr/bin/mawk", "{s += $2; if ($1 ~ /^p/) c++} END {print s, c}"], "mawk", stdin=WORDS),
    Job("pi to 400 digits", ["/usr/bin/bc", "-lq"], "bc", stdin="scale=400; 4*a(1)\n2^1000\nquit\n"),
    Job("2^512", ["/usr/bin/dc", "-e", "2 512 ^ p"], "dc"),
    Job("compress", ["/usr/bin/xz", "-6", "-c"], "xz-utils", stdin=NUMBERS * 20),
    Job("compress a file", ["/usr/bin/xz", "-k", "{work}/a"], "xz-utils", files={"a": NUMBERS * 5}, outputs=("a.xz",)),
    Job("compress on two threads", ["/usr/bin/xz", "-T2", "-c", "{work}/a"], "xz-utils", files={"a": NUMBERS * 500},
        memory="1GiB", long=True),
    Job("compress", ["/usr/bin/zstd", "-q", "-c", "-9"], "zstd", stdin=NUMBERS * 20),
    Job("compress and back", ["/usr/bin/zstd", "-q", "-k", "{work}/a", "-o", "{work}/a.zst"], "zstd", files={"a": WORDS * 20},
        outputs=("a.zst",)),
    Job("benchmark", ["/usr/bin/zstd", "-b1", "-i1", "{work}/a"], "zstd", files={"a": NUMBERS * 300}, memory="512MiB",
        same=False, long=True),
    Job("compress", ["/usr/bin/gzip", "-nc9"], "gzip", stdin=NUMBERS * 20),
    Job("compress a file in place", ["/usr/bin/gzip", "-n", "{work}/a"], "gzip", files={"a": WORDS}, outputs=("a.gz",)),
    Job("compress", ["/usr/bin/bzip2", "-c"], "bzip2", stdin=NUMBERS * 20),
    Job("SHA-256 of stdin", ["/usr/bin/openssl", "dgst", "-sha256"], "openssl", stdin=NUMBERS),
    Job("AES-256 with a key", ["/usr/bin/openssl", "enc", "-aes-256-cbc", "-K", "00" * 32, "-iv", "11" * 16, "-base64"],
        "openssl", stdin=WORDS),
    Job("speed of SHA-256", ["/usr/bin/openssl", "speed", "-seconds", "1", "-bytes", "16384", "sha256"], "openssl",
        same=False, check="sha256", long=True),
    Job("do nothing", ["/usr/bin/python3.11", "-c", "pass"], "python3", ro=PYTHON_TREE),
    Job("standard library, threads, sqlite, files", ["/usr/bin/python3.11", "{work}/script.py", "{work}"], "python3",
        stdin=WORDS, ro=(*PYTHON_TREE, "/usr/lib/x86_64-linux-gnu"), files={"script.py": PYTHON_SCRIPT}),
    Job("shared memory with a name, temporary files", ["/usr/bin/python3.11", "-c",
        "import _posixshmem, mmap, os, tempfile\nname = '/osvm-table-test'\n"
        "a, b = (_posixshmem.shm_open(name, os.O_CREAT | os.O_RDWR, mode=0o600) for _ in 'ab')\n"
        "os.ftruncate(a, 8192); x, y = mmap.mmap(a, 8192), mmap.mmap(b, 8192)\n"
        "x[5000:5003] = b'abc'; print(y[5000:5003], os.fstat(b).st_size); _posixshmem.shm_unlink(name)\n"
        "try: _posixshmem.shm_open(name, os.O_RDWR, mode=0)\nexcept FileNotFoundError: print('gone')\n"
        "with tempfile.TemporaryDirectory(dir='/tmp') as d: print(open(d + '/f', 'w').write('x' * 70000))"],
        "python3", ro=(*PYTHON_TREE, "/usr/lib/x86_64-linux-gnu"), tmpfs=("/dev/shm:1MiB", "/tmp")),
    Job("prime sieve, a loop", ["/usr/bin/python3.11", "-S", "-c",
        "n=300000; s=bytearray([1])*n\nfor i in range(2,int(n**.5)+1):\n  if s[i]: s[i*i::i]=bytes(len(s[i*i::i]))\nprint(sum(s)-2)"],
        "python3", ro=PYTHON_TREE),
    Job("hashes, modules, files", ["/usr/bin/perl", "{work}/s.pl", "{work}"], "perl", stdin=WORDS, ro=PERL_TREE,
        files={"s.pl": PERL_SCRIPT}, outputs=("out",)),
    Job("one-liner", ["/usr/bin/perl", "-ne", "$s += $_; END { print \"$s\\n\" }"], "perl-base", stdin=NUMBERS),
    Job("tables and strings", ["/usr/bin/lua5.4", "-e", "local t={} for i=1,1000 do t[i]=i*i end print(#t, t[1000], ('x'):rep(5), _VERSION)"],
        "lua5.4"),
    Job("lists and expressions", ["/usr/bin/tclsh8.6", "{work}/s.tcl"], "tcl8.6", ro=("/usr/share/tcltk",),
        files={"s.tcl": "set l {}\nfor {set i 0} {$i < 100} {incr i} {lappend l [expr {$i * $i}]}\nputs [llength $l]\nputs [lindex $l end]\nputs [string toupper abc]\n"}),
    Job("stream editing", ["/usr/bin/sed", "-E", "s/([a-z]+) ([0-9]+)/\\2 \\1/; 5q"], "sed", stdin=WORDS),
    Job("edit a file in place", ["/usr/bin/sed", "-i", "s/pear/PEAR/", "{work}/a"], "sed", files={"a": WORDS}, outputs=("a",)),
    Job("search with a pattern", ["/usr/bin/grep", "-nE", "^(fig|kiwi) 9"], "grep", stdin=WORDS),
    Job("search a tree", ["/usr/bin/grep", "-rc", "pear", "{work}/d"], "grep", files={"d/a": WORDS}),
    Job("names, sizes and types", ["/usr/bin/find", "{work}", "-size", "+1k", "-name", "*.x", "-printf", "%f %s %y\\n"], "findutils",
        files={"big.x": WORDS, "small.x": "1"}),
    Job("pack a tree", ["/usr/bin/tar", "-cf", "{work}/t.tar", "--mtime=@0", "--owner=0", "--group=0", "-C", "{work}", "a"], "tar",
        files={"a": WORDS}, outputs=("t.tar",)),
    Job("unified difference", ["/usr/bin/diff", "-u", "--label", "a", "--label", "b", "{work}/a", "{work}/b"], "diffutils",
        files={"a": NUMBERS, "b": NUMBERS.replace("77\n", "seventy-seven\n")}, status=1),
    Job("compare", ["/usr/bin/cmp", "{work}/a", "{work}/b"], "diffutils", files={"a": "abc", "b": "abd"}, status=1),
    Job("name file types", ["/usr/bin/file", "-b", "{work}/a", "{work}/b"], "file", ro=("/usr/share/misc", "/usr/lib/file"),
        files={"a": "hello\n", "b": JSON}),
    Job("sort by number", ["/usr/bin/sort", "-k2,2n", "-k1,1"], "coreutils", stdin=WORDS),
    Job("copy with attributes", ["/usr/bin/cp", "-p", "{work}/a", "{work}/b"], "coreutils", files={"a": WORDS}, outputs=("b",)),
    Job("move", ["/usr/bin/mv", "{work}/a", "{work}/b"], "coreutils", files={"a": WORDS}, outputs=("b",)),
    Job("remove a tree", ["/usr/bin/rm", "-r", "{work}/d"], "coreutils", files={"d/a": "", "d/e/b": ""}),
    Job("links", ["/usr/bin/ln", "-s", "a", "{work}/l"], "coreutils", files={"a": "target"}, outputs=("l",)),
    Job("file status", ["/usr/bin/stat", "-c", "%n %s %F %a", "{work}/a"], "coreutils", files={"a": WORDS}),
    Job("digests", ["/usr/bin/sha512sum", "{work}/a"], "coreutils", files={"a": WORDS}),
    Job("join on a field", ["/usr/bin/join", "{work}/a", "{work}/b"], "coreutils", files={"a": "1 x\n2 y\n", "b": "1 p\n2 q\n"}),
    Job("write zeroes", ["/usr/bin/dd", "if=/dev/zero", "of={work}/z", "bs=64k", "count=32", "status=none"], "coreutils", outputs=("z",)),
    Job("split a file", ["/usr/bin/split", "-l", "500", "{work}/a", "{work}/part."], "coreutils", files={"a": NUMBERS},
        outputs=("part.aa", "part.ad")),
    Job("dates", ["/usr/bin/date", "-u", "-d", "@1700000000", "+%F %T %Z %j"], "coreutils"),
    Job("long numbers", ["/usr/bin/factor", "1234567890123456789"], "coreutils"),
    Job("apply a patch", ["/usr/bin/patch", "-s", "{work}/a", "{work}/p"], "patch",
        files={"a": "one\ntwo\nthree\n", "p": "--- a\n+++ b\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"}, outputs=("a",)),
]
