#!/usr/bin/python3
"""A FUSE file system that hangs when told: fuse_hang.py MOUNT_POINT CONTROL_FOLDER

While CONTROL_FOLDER/hang exists, every request is taken and not answered until the file is gone. It runs
in the foreground and ends by SIGTERM, when it is unmounted, or with the process that started it.
Holds one file, `file`, in its root. (A second kind of hang needs no help: SIGSTOP, after which requests
are not even taken.)
"""
import ctypes
import errno
import os
import signal
import stat
import sys
import time

from fusepy import FUSE, FuseOSError, Operations

PR_SET_PDEATHSIG = 1


class Hang(Operations):
    def __init__(self, control):
        self.hang = os.path.join(control, "hang")

    def wait_while_told(self):
        while os.path.exists(self.hang):
            time.sleep(0.01)

    def getattr(self, path, fh=None):
        self.wait_while_told()
        now = time.time()
        times = {"st_atime": now, "st_mtime": now, "st_ctime": now}
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2, **times}
        if path == "/file":
            return {"st_mode": stat.S_IFREG | 0o644, "st_nlink": 1, "st_size": 0, **times}
        raise FuseOSError(errno.ENOENT)

    def statfs(self, path):
        self.wait_while_told()
        return {"f_bsize": 4096, "f_frsize": 4096, "f_blocks": 1000, "f_bfree": 600, "f_bavail": 600,
                "f_files": 100, "f_ffree": 50}


def main():
    mount_point, control = sys.argv[1:3]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    FUSE(Hang(control), mount_point, foreground=True, nothreads=False, fsname="hang", attr_timeout=0,
         entry_timeout=0)


if __name__ == "__main__":
    main()
