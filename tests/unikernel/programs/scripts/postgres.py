"""PostgreSQL 15: a new cluster, the server with its processes, SQL by psql, pgbench, and a clean end. $1: a folder."""

import pathlib
import subprocess
import sys
import time

work = pathlib.Path(sys.argv[1])
BIN = "/usr/lib/postgresql/15/bin/"
DATA = str(work / "data")
TO = ["-h", str(work), "-U", "guest"]
SQL = """
create table t(id serial primary key, name text, v numeric);
insert into t(name, v) select 'name' || n % 97, n * 0.5 from generate_series(1, 5000) n;
create index on t(name); analyze t;
select name, count(*), sum(v) from t group by name order by 3 desc limit 3;
begin; delete from t where id < 100; rollback;
select count(*) from t where v > 10 and name like 'name1%';
select version() like 'PostgreSQL 15.%';
set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0;
set min_parallel_table_scan_size = 0;
explain (costs off) select sum(v) from t;
select sum(v) from t;
"""


def run(program, *words, text=None):
    done = subprocess.run([BIN + program, *words], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program} ended with {done.returncode}: {done.stdout[-600:]}{done.stderr[-600:]}")
    return done.stdout


def sql(text):
    print(run("psql", *TO, "-d", "postgres", "-XqAt", "-v", "ON_ERROR_STOP=1", text=text), end="")


run("initdb", "-D", DATA, "-A", "trust", "-U", "guest", "-E", "UTF8", "--locale=C", "-N")
with open(work / "log", "w") as log:
    server = subprocess.Popen([BIN + "postgres", "-D", DATA, "-k", str(work), "-c", "listen_addresses=",
                               "-c", "shared_buffers=8MB"], stdout=log, stderr=log)
for _ in range(1500):
    if subprocess.run([BIN + "pg_isready", *TO], capture_output=True).returncode == 0 or server.poll() is not None:
        break
    time.sleep(0.05)
if server.poll() is not None:
    sys.exit("the server ended: " + (work / "log").read_text()[-900:])
sql(SQL)
run("pgbench", *TO, "-i", "-q", "-s", "1", "postgres")
said = run("pgbench", *TO, "-c", "4", "-j", "2", "-t", "50", "postgres")
print([line for line in said.splitlines() if line.startswith(("number of transactions", "number of failed"))])
sql("select count(*), sum(delta) = (select sum(bbalance) from pgbench_branches) from pgbench_history;")
run("pg_ctl", "-D", DATA, "-m", "fast", "-w", "stop")
print("ended", server.wait(60), "database system is shut down" in (work / "log").read_text())
