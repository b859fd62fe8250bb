"""Real servers for tests: PostgreSQL with standbys, pgbouncer, Redis, nginx, HAProxy.

All on 127.0.0.1, on ports of their own, in a Place; nothing is mocked. A Postgres can be killed as a
power cut would (kill9_all), frozen as a hung machine (freeze_all) and promoted as an operator does.
"""
import os
import shutil
import signal
import socket
import subprocess
import urllib.request

import psycopg2

from place import Place, as_user, free_port, processes, service_user, working_folder
from process import Process, freeze, send, state_of, wait_for

PG_BIN = "/usr/lib/postgresql/15/bin"
SETTINGS = """
wal_level = replica
hot_standby = on
max_wal_senders = 10
max_replication_slots = 10
wal_log_hints = on
wal_keep_size = 64MB
wal_retrieve_retry_interval = 500ms
wal_receiver_timeout = 5s
max_connections = 60
shared_buffers = 16MB
fsync = off
log_line_prefix = '%m [%p] '
log_connections = off
"""
SCHEMA = """
create role pointsman login password 'secret';
grant pg_monitor to pointsman;
create role app login password 'app-secret';
create role replicator login replication password 'replicator-secret';
"""
TABLE = """
create table writes (client int, number bigint, at timestamptz default clock_timestamp());
alter table writes owner to app;
"""


def run(argv, user="service", **more):
    who = service_user() if user == "service" else user
    done = subprocess.run(as_user(who) + argv, capture_output=True, text=True, check=False,
                          cwd=more.pop("cwd", "/"), **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def answers(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


def query(port, text, user="postgres", database="postgres", timeout=5, password=None,
          host="127.0.0.1"):
    """One statement in a session of its own; all rows, or [] for a command."""
    connection = psycopg2.connect(host=host, port=port, user=user, dbname=database,
                                  connect_timeout=timeout, password=password,
                                  options=f"-c statement_timeout={timeout * 1000}"
                                  if user == "postgres" else None)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


class Postgres:
    """One cluster. Postgres(place) is a primary; Postgres(place, upstream=primary) streams from it.

    Balanced candidates of a route need one port on several hosts: give them `host` and `port`.
    """

    def __init__(self, place, name="primary", upstream=None, auth="trust", settings="",
                 host="127.0.0.1", port=None, netns=None):  # pylint: disable=too-many-arguments
        self.place, self.name, self.auth, self.netns = place, name, auth, netns
        self.host, self.port = host, port or free_port()
        self.data = place.path(name)
        self.process = None
        self._frozen = []
        if upstream is None:
            _initdb(place, self.data)
        else:
            self._copy(upstream)
        self._configure(upstream, settings)
        place.at_end(self.kill9_all)
        self.start()
        if upstream is None:
            self.sql(SCHEMA)
            self.sql("create database bud owner app")
            self.sql(TABLE, "bud")
            # Per database: the one that pointsman's probe logs in to.
            self.sql("grant execute on function pg_promote(boolean, integer) to pointsman", "bud")

    def _copy(self, upstream):
        environment = {**os.environ, "PGPASSWORD": "replicator-secret"}
        run([f"{PG_BIN}/pg_basebackup", "-D", self.data, "-h", upstream.host, "-p", str(upstream.port),
             "-U", "replicator", "--checkpoint=fast", "--no-sync", "-X", "stream"], env=environment)

    def rebuild(self, upstream):
        """Whatever it was, it is a standby of `upstream` now, as an operator makes it after a failover."""
        self.kill9_all()
        shutil.rmtree(self.data)
        self._copy(upstream)
        self._configure(upstream, "")
        return self.start()

    def _configure(self, upstream, settings):
        lines = SETTINGS + (f"listen_addresses = '{self.host}'\nport = {self.port}\n"
                            "unix_socket_directories = ''\n")
        if upstream is not None:
            lines += f"primary_conninfo = '{self._conninfo(upstream)}'\n"
            self.place.write(f"{self.name}/standby.signal", "")
        self.place.write(f"{self.name}/pointsman.conf", lines + settings)
        self.place.write(f"{self.name}/postgresql.conf", "include 'pointsman.conf'\n", 0o600)
        self.place.write(f"{self.name}/pg_hba.conf",
                         "local all all trust\n"
                         "host all postgres 127.0.0.0/8 trust\n"
                         f"host all all 127.0.0.0/8 {self.auth}\n"
                         f"host replication replicator 127.0.0.0/8 {self.auth}\n"
                         "host all postgres samenet trust\n"
                         f"host all all samenet {self.auth}\n"
                         f"host replication replicator samenet {self.auth}\n", 0o600)

    def _conninfo(self, upstream):
        return (f"host={upstream.host} port={upstream.port} user=replicator "
                f"password=replicator-secret application_name={self.name}")

    def start(self, wait=True):
        self.process = Process(self.place, [f"{PG_BIN}/postgres", "-D", self.data],
                               f"{self.name}.log", cwd=self.data, death_signal="QUIT",
                               netns=self.netns)
        if wait:
            wait_for(self._serves, 30, why=f"{self.name} serves, see {self.process.log}")
        return self

    def _serves(self):
        if not self.process.running():
            raise RuntimeError(f"{self.name} ended:\n{self.process.output()}")
        try:
            return bool(self.sql("select 1"))
        except psycopg2.OperationalError:
            return False

    def sql(self, text, database="postgres", timeout=5):
        return query(self.port, text, database=database, timeout=timeout, host=self.host)

    def members(self):
        """All processes of this cluster; each of them works in its data folder."""
        return [pid for pid in processes()
                if working_folder(pid) == self.data and state_of(pid) not in ("", "Z")]

    def freeze_all(self):
        """As a hung machine: the port still accepts, nobody answers. The postmaster goes first."""
        postmaster = self.process.pid
        freeze(lambda: sorted(self.members(), key=lambda pid: pid != postmaster))
        self._frozen = self.members()

    def thaw_all(self):
        for pid in reversed(self._frozen):
            send(pid, signal.SIGCONT)
        self._frozen = []

    def kill9_all(self):
        """As a power cut: every process of the cluster, with nobody left to tell the clients."""
        self.freeze_all()
        while self.members():
            for pid in self.members():
                send(pid, signal.SIGKILL)
        self._frozen = []
        if self.process:
            self.process.popen.wait(10)

    def stop(self, mode="fast"):
        number = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        self.process.tell(number)
        self.process.popen.wait(30)

    def restart(self):
        self.stop()
        return self.start()

    def line(self):
        """What leads pgbouncer here."""
        return f"host={self.host} port={self.port} dbname=bud"

    def promote(self, wait=True):
        """As an operator would. Returns when the cluster takes writes, unless told otherwise."""
        self.sql("select pg_promote(false)")
        if wait:
            wait_for(self.writable, 30, 0.005, f"{self.name} writable")

    def writable(self):
        return self.sql("select not pg_is_in_recovery()")[0][0]

    def timeline(self):
        return int(self.sql("select left(pg_walfile_name(pg_current_wal_lsn()), 8)")[0][0], 16)

    def follow(self, upstream):
        """Re-points a running standby."""
        self.sql(f"alter system set primary_conninfo = '{self._conninfo(upstream)}'")
        self.sql("select pg_reload_conf()")

    def wait_streaming(self, limit=20):
        """Until every standby of this primary that is up is streaming and has replayed all."""
        wait_for(lambda: self.sql("select bool_and(state = 'streaming' and replay_lsn = sent_lsn) "
                                  "from pg_stat_replication")[0][0], limit, why="standbys stream")

    def url(self, user="pointsman", database="bud", password="secret"):
        return f"postgresql://{user}:{password}@{self.host}:{self.port}/{database}"


def _initdb(place, data):
    """initdb once for all clusters of this test run, then a copy each: it takes a second of CPU."""
    global _template  # pylint: disable=global-statement
    if _template is None:
        # Not in the place of a test, which is removed with it.
        folder = Place("template").make_folder("template", mode=0o700)
        run([f"{PG_BIN}/initdb", "-D", folder, "-U", "postgres", "--no-sync", "-A", "trust",
             "-E", "UTF8", "--no-locale"])
        _template = folder
    shutil.copytree(_template, data, symlinks=True)
    if service_user():
        subprocess.run(["chown", "-R", "--reference", _template, data], check=True)
    os.chmod(data, 0o700)


_template = None


class Pgbouncer:
    """A pgbouncer whose databases stand in a targets file, as pointsman wants it."""

    def __init__(self, place, targets, name="pgbouncer", settings="", pool_mode="transaction"):
        """`targets`: {database: "host=… port=… dbname=…"}, the file's first content (bare lines)."""
        self.place, self.name = place, name
        self.port = free_port()
        self.folder = place.make_folder(f"{name}.d", mode=0o2775)
        self.file = os.path.join(self.folder, "targets.ini")
        self.write_targets(targets)
        place.write(f"{name}.users", '"pointsman" "secret"\n"app" "app-secret"\n"postgres" ""\n')
        place.make_folder(f"{name}.socket")
        self.ini = place.write(f"{name}.ini", f"""[databases]
%include {self.file}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir = {place.path(name)}.socket
auth_type = trust
auth_file = {place.path(name)}.users
admin_users = pointsman
pool_mode = {pool_mode}
default_pool_size = 10
{settings}
""")
        self.process = None
        self.start()

    def write_targets(self, targets):
        lines = "".join(f"{database} = {where}\n" for database, where in targets.items())
        self.place.write(os.path.relpath(self.file, self.place.folder), lines, 0o664)

    def targets(self):
        """{database: line} as the file stands now, comments left out."""
        with open(self.file, encoding="utf-8") as file:
            lines = [line.strip() for line in file]
        pairs = [line.partition("=") for line in lines if line and line[0] not in ";#"]
        return {name.strip(): rest.strip() for name, _, rest in pairs}

    def start(self):
        self.process = Process(self.place, ["/usr/sbin/pgbouncer", self.ini], f"{self.name}.log",
                               death_signal="INT")
        wait_for(lambda: self._up(), 10, why=f"{self.name} serves, see {self.process.log}")
        return self

    def _up(self):
        if not self.process.running():
            raise RuntimeError(f"{self.name} ended:\n{self.process.output()}")
        return answers(self.port)

    def stop(self):
        self.process.stop(signal.SIGINT)

    def console(self, command):
        """A command on the admin console; rows as dicts."""
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="pointsman",
                                      dbname="pgbouncer", password="secret")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(command)
                names = [column.name for column in cursor.description or []]
                return [dict(zip(names, row)) for row in (cursor.fetchall() if names else [])]
        finally:
            connection.close()

    def leads_to(self, database="bud"):
        """(host, port) that pgbouncer itself says it uses."""
        row = next(row for row in self.console("SHOW DATABASES") if row["name"] == database)
        return row["host"], int(row["port"])

    def sql(self, text, database="bud", user="app", timeout=5):
        return query(self.port, text, user=user, database=database, timeout=timeout,
                     password="app-secret")

    def admin(self):
        return f"host=127.0.0.1 port={self.port} dbname=pgbouncer user=pointsman password=secret"


class Redis:
    def __init__(self, place, name="redis", replica_of=None):
        self.port = free_port()
        self.place, self.name = place, name
        folder = place.make_folder(f"{name}.d")
        self.argv = ["/usr/bin/redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir",
                     folder, "--save", "", "--appendonly", "no", "--daemonize", "no",
                     "--repl-diskless-sync-delay", "0"]
        self.process = None
        self.start(["--replicaof", "127.0.0.1", str(replica_of.port)] if replica_of else [])

    def start(self, more=()):
        """Again, after it was killed: as a master."""
        self.process = Process(self.place, [*self.argv, *more], f"{self.name}.log")
        wait_for(lambda: answers(self.port), 10, why=f"redis serves, see {self.process.log}")
        return self

    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"


class Nginx:
    """One worker that answers 200 on `ports` ports."""

    def __init__(self, place, ports=1, name="nginx", tls=""):
        """`tls`: the folder of cert.pem and key.pem (see certificate()); then the ports speak TLS."""
        self.ports = [free_port() for _ in range(ports)]
        folder = place.make_folder(f"{name}.d")
        kind, keys = "", ""
        if tls:
            kind, keys = " ssl", f"    ssl_certificate {tls}/cert.pem; ssl_certificate_key {tls}/key.pem;\n"
        listens = "".join(f"    listen 127.0.0.1:{port}{kind};\n" for port in self.ports)
        blocks = (f"  server {{\n{listens}{keys}    location / {{ return 200 'ok\\n'; }}\n"
                  "    location = /stub_status { stub_status; }\n  }\n")
        config = place.write(f"{name}.conf", f"""daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{blocks}}}
""")
        self.process = Process(place, ["/usr/sbin/nginx", "-c", config, "-e", "stderr"], f"{name}.log",
                               death_signal="TERM")
        wait_for(lambda: answers(self.ports[-1]), 10, why=f"nginx serves, see {self.process.log}")


    def requests(self):
        """How many requests it has answered so far, this one included."""
        answer = urllib.request.urlopen(f"http://127.0.0.1:{self.ports[0]}/stub_status", timeout=5)
        return int(answer.read().split(b"requests")[1].split()[2])


def certificate(place):
    """A folder with key.pem and a self-signed cert.pem for 127.0.0.1 and localhost."""
    folder = place.make_folder("tls")
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "90", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{folder}/key.pem",
         "-out", f"{folder}/cert.pem"])
    return folder


class Haproxy:
    def __init__(self, place, config, name="haproxy", master=False):
        """`master`: in master-worker mode, which SIGUSR2 reloads."""
        file = place.write(f"{name}.cfg", config)
        mode = ["-W"] if master else []
        self.process = Process(place, ["/usr/sbin/haproxy", *mode, "-db", "-f", file], f"{name}.log")
