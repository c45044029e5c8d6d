"""Functions that take more than they may."""

from __future__ import annotations

from tests.misbehave.cases.case import BUT_T0, LOST, OF_MEMORY, T2, YES, Case

TAKES = (
    Case(
        "hogs-memory",
        "takes more memory than it may",
        "kept = [bytes([1]) * (1 << 20) for _ in range(500)]",
        502,
        f"^{OF_MEMORY}$",
        "more memory",
    ),
    Case(
        "hogs-shared-memory",
        "takes shared memory",
        """
        kept = mmap.mmap(-1, 500 << 20)
        for at in range(500): kept[at << 20:(at + 1) << 20] = bytes(1 << 20)
        """,
        502,
        f"^{OF_MEMORY}$",
    ),
    Case(
        "asks-for-all",
        "asks for 8 GB at once",
        "bytearray(8 << 30)",
        502,
        "^function failed: MemoryError",
        "more memory",
    ),
    Case(
        "child-hogs-memory",
        "lets a child take the memory",
        """
        if os.fork() == 0:
            kept = [bytes([1]) * (1 << 20) for _ in range(500)]
        os.wait()
        os._exit(7)
        """,
        502,
        f"^{LOST}(out of memory: more than 128 MB|exit code 7)$",
    ),
    Case(
        "fork-bomb",
        "is a fork bomb",
        """
        while True:
            try: os.fork()
            except OSError: pass
        """,
        (504, 502),
        # Where processes are not counted a busy machine may need longer to see the instance's end than the
        # caller waits to be told of it.
        f"^(Timed out: |{LOST}(too many processes|out of memory|the connection was closed))",
        limits={"timeout": 2, "memory": 512},
    ),
    Case(
        "threads",
        "starts 10,000 threads",
        "for _ in range(10_000): threading.Thread(target=time.sleep, args=(60,)).start()",
        502,
        "^function failed: (RuntimeError: can't start new thread|MemoryError)",
    ),
    Case(
        "opens-files",
        "opens 100,000 files",
        "kept = [os.open('/dev/null', 0) for _ in range(100_000)]",
        502,
        "^function failed: OSError: .* Too many open files",
    ),
    Case(
        "fills-tmp",
        "fills /tmp",
        """
        def fill():
            with open(os.path.join(os.environ.get('TMPDIR', '/tmp'), 'big'), 'wb') as file:
                for _ in range(300): file.write(bytes(1 << 20))
        return attempt(fill)
        """,
        held=T2,
        note="T0, T1: on the disk, up to 1 GiB a file, removed with it",
    ),
    Case(
        "fills-shm",
        "fills /dev/shm",
        """
        def fill():
            with open('/dev/shm/nbfn-' + x['token'], 'wb') as file:
                os.unlink(file.name)
                for _ in range(300): file.write(bytes(1 << 20))
        return attempt(fill)
        """,
        held=YES,
        without_groups=T2,
        note="T0, T1: by their cgroup, and without one **not**",
    ),
    Case(
        "fills-disk",
        "writes elsewhere on the disk",
        """
        folders = '/var/tmp', '/etc', '/home', '/'
        return attempt(*(lambda p=p: write(p + '/nbfn-' + x['token']) for p in folders))
        """,
        held=BUT_T0,
    ),
    Case(
        "writes-in-its-image",
        "writes in its image",
        "return attempt(lambda: write(os.path.dirname(__file__) + '/' + x['token']))",
        held=YES,
        as_user=BUT_T0,
        note="T0: where nbfn runs as root",
    ),
    Case(
        "raises-limits",
        "raises its limits",
        """
        def lift(which):
            resource.setrlimit(which, (resource.RLIM_INFINITY,) * 2)
        limits = resource.RLIMIT_NOFILE, resource.RLIMIT_DATA, resource.RLIMIT_CORE
        return attempt(*(lambda w=w: lift(w) for w in limits))
        """,
        held=YES,
    ),
    Case(
        "leaves-its-cgroup",
        "leaves its cgroup",
        """
        def doors(path):
            for top in ('/sys/fs/cgroup/memory', '/sys/fs/cgroup', '/sys/fs/cgroup/unified'):
                yield f'{top}{path}/cgroup.procs'
        def groups(who):
            try:
                with open(f'/proc/{who}/cgroup') as file:
                    lines = [line.strip().split(':', 2) for line in file]
            except OSError:
                return []
            return [path for number, names, path in lines if 'memory' in names or not names]
        def enter(door):
            with open(os.open(door, os.O_WRONLY), 'w') as file: file.write('0')
        found = groups(x['executor']) + [os.path.dirname(path) for path in groups('self')]
        return attempt(*(lambda d=d: enter(d) for path in found for d in doors(path)))
        """,
        held=YES,
        as_user=BUT_T0,
        note="T0: where nbfn runs as root",
    ),
)
