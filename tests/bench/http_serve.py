#!/usr/bin/python3
"""/health under wrk, against nginx's `return 200` with one worker: ratios from one run.

Both servers stand at once and are measured in turn, so that whatever else the machine does hits both.
Kept connections, and one connection for each request. Beside the rate, which depends on what is left
of the machine, the processor time that a request costs the server is printed: that one hardly does.

    tests/bench/http_serve.py [--seconds 4] [--runs 5] [--build FOLDER]

The server is bin/bench_health_server of the build folder; or, with POINTSMAN_BIN, that daemon with the
configuration in POINTSMAN_CONFIG (its /health must be on 127.0.0.1:POINTSMAN_PORT).
Bounds (issue 2): at least nginx's rate, at most 1.25 times its 99th percentile. Exit 1 if missed.
"""
import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TICKS = os.sysconf("SC_CLK_TCK")
NGINX_CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      default_type application/json;
      return 200 '{{"status":"ok","timestamp":"2026-11-24T10:00:00.000Z"}}\\n';
    }}
  }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until_up(port):
    url = "http://127.0.0.1:%d/health" % port
    for _ in range(100):
        try:
            urllib.request.urlopen(url, timeout=1).read()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("nothing answers on " + url)


class Server:
    def __init__(self, name, process, port, pid):
        self.name, self.process, self.port, self.pid = name, process, port, pid

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def start_nginx(folder):
    port = free_port()
    conf = os.path.join(folder, "nginx.conf")
    with open(conf, "w") as f:
        f.write(NGINX_CONF.format(folder=folder, port=port))
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    process = subprocess.Popen([nginx, "-c", conf, "-e", folder + "/error.log"])
    wait_until_up(port)
    children = "/proc/%d/task/%d/children" % (process.pid, process.pid)
    with open(children) as f:
        return Server("nginx", process, port, int(f.read().split()[0]))


def start_ours(build):
    daemon = os.environ.get("POINTSMAN_BIN")
    if daemon:
        port = int(os.environ.get("POINTSMAN_PORT", "8600"))
        process = subprocess.Popen([daemon, "run", "--config", os.environ["POINTSMAN_CONFIG"]])
    else:
        process = subprocess.Popen([os.path.join(build, "bin", "bench_health_server")],
                                   stdout=subprocess.PIPE)
        port = int(process.stdout.readline())
    wait_until_up(port)
    return Server("pointsman", process, port, process.pid)


def milliseconds(text):
    number, unit = re.match(r"([\d.]+)(us|ms|s)$", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def measure(server, seconds, close):
    command = ["wrk", "-t1", "-c32", "-d%ds" % seconds, "--latency"]
    if close:
        command += ["-H", "Connection: close"]
    before = server.cpu_seconds()
    out = subprocess.run(command + ["http://127.0.0.1:%d/health" % server.port], check=True,
                         capture_output=True, text=True).stdout
    cpu = server.cpu_seconds() - before
    if "Non-2xx" in out:
        sys.exit("%s: answers other than 2xx\n%s" % (server.name, out))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    p99 = milliseconds(re.search(r"^\s+99%\s+(\S+)", out, re.MULTILINE).group(1))
    return {"rate": rate, "p99": p99, "cpu": cpu / requests * 1e6}


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=4)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--build", default=os.path.join(ROOT, "build", "ci"))
    options = options.parse_args()

    met = True
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        servers = []
        try:
            servers.append(start_ours(options.build))
            servers.append(start_nginx(folder))
            for close in (False, True):
                rows = {server.name: [] for server in servers}
                for number in range(options.runs):
                    order = servers if number % 2 == 0 else servers[::-1]
                    for server in order:
                        rows[server.name].append(measure(server, options.seconds, close))
                met = report(rows, close) and met
        finally:
            for server in servers:
                server.stop()
    return 0 if met else 1


def report(rows, close):
    def median(name, key):
        return statistics.median(row[key] for row in rows[name])

    def ratio(key):   # of neighbours in time, then the median: load that comes and goes cancels out
        return statistics.median(a[key] / b[key] for a, b in zip(rows["pointsman"], rows["nginx"]))

    print("one connection each" if close else "kept connections")
    for name in rows:
        print("  %-10s %9.0f requests/s   p99 %7.3f ms   %5.2f us CPU a request" %
              (name, median(name, "rate"), median(name, "p99"), median(name, "cpu")))
    met = ratio("rate") >= 1 and ratio("p99") <= 1.25
    print("  ratio      %9.2f (>= 1)        %11.2f (<= 1.25)    %5.2f   %s" %
          (ratio("rate"), ratio("p99"), ratio("cpu"), "met" if met else "MISSED"), flush=True)
    return met


if __name__ == "__main__":
    sys.exit(main())
