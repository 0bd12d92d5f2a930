"""A control group with a memory limit, made below this process's own: version 1 or 2, whichever is there."""

import os

from trouble import NotPossible

MOUNTINFO = "/proc/self/mountinfo"


class Limited:
    """To be used in a `with`; removed at the end."""

    def __init__(self, limit_bytes: int):
        parent, self.version = own_group()
        self.path = os.path.join(parent, f"zkalloc-bench-{os.getpid()}")
        try:
            if self.version == 2:
                write(os.path.join(parent, "cgroup.subtree_control"), "+memory")
            os.mkdir(self.path)
            write(self._file("memory.limit_in_bytes", "memory.max"), str(limit_bytes))
        except OSError as error:
            if os.path.isdir(self.path):
                os.rmdir(self.path)
            raise NotPossible(f"no control group with a limit below {parent}: {error.strerror}") from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.rmdir(self.path)

    def enter(self):
        """In the process that is to be limited, before it runs its program."""
        write(os.path.join(self.path, "cgroup.procs"), str(os.getpid()))

    def peak_bytes(self) -> int | None:
        """The most that was charged, files in the page cache included; none before Linux 5.19 with version 2."""
        path = self._file("memory.max_usage_in_bytes", "memory.peak")
        return int(read(path)) if os.path.exists(path) else None

    def kills(self) -> int:
        events = read(self._file("memory.oom_control", "memory.events"))
        return next(int(line.split()[1]) for line in events.splitlines() if line.startswith("oom_kill "))

    def _file(self, version1: str, version2: str) -> str:
        return os.path.join(self.path, version1 if self.version == 1 else version2)


def own_group():
    """The directory of this process's group in the hierarchy that limits memory, and its version."""
    groups = {}
    for line in read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        groups[controllers] = path
    for line in read(MOUNTINFO).splitlines():
        fields, filesystem = (part.split() for part in line.split(" - ", 1))
        root, mount = fields[3], fields[4]
        if filesystem[0] == "cgroup" and "memory" in filesystem[2].split(","):
            return below(mount, root, groups.get("memory", "/")), 1
    for line in read(MOUNTINFO).splitlines():
        fields, filesystem = (part.split() for part in line.split(" - ", 1))
        root, mount = fields[3], fields[4]
        if filesystem[0] == "cgroup2" and "memory" in read(os.path.join(mount, "cgroup.controllers")).split():
            return below(mount, root, groups.get("", "/")), 2
    raise NotPossible("no control groups that limit memory are mounted")


def below(mount: str, root: str, group: str) -> str:
    return os.path.normpath(mount + "/" + os.path.relpath(group, root))


def read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError as error:
        raise NotPossible(f"{path}: {error.strerror}") from error


def write(path: str, text: str):
    with open(path, "w") as file:
        file.write(text)
