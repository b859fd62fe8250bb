"""What a process costs: processor time and memory, read from /proc."""
import os


def cpu_seconds(pid):
    """Processor time of all threads so far, to the nanosecond where the kernel counts that."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        except OSError:
            return _ticks(pid)
    return total / 1e9


def _ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kib(pid):
    """{'Rss': …, 'Pss': …, 'Anonymous': …} in KiB."""
    found = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if rest.strip().endswith("kB"):
                found[name] = int(rest.split()[0])
    return found


def thread_count(pid):
    return len(os.listdir(f"/proc/{pid}/task"))
