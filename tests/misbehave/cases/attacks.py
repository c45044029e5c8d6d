"""Functions that reach for what is not theirs."""

from __future__ import annotations

from tests.misbehave.cases.case import BUT_T0, T2, YES, Case

ATTACKS = (
    Case(
        "leaves-daemons",
        "leaves daemons",
        """
        for _ in range(3): daemon(x['sleep'])
        return 'done'
        """,
    ),
    Case(
        "leaves-zombies",
        "leaves zombies",
        """
        for _ in range(100):
            if os.fork() == 0: os._exit(0)
        return 'done'
        """,
    ),
    Case(
        "reads-the-executors-state",
        "reads the executor's state (token, database)",
        """
        names = '/token', '/nbfn.db', '/executor.json', '/images/index.json'
        return attempt(*(lambda n=n: read(x['state'] + n) for n in names))
        """,
        held=BUT_T0,
    ),
    Case(
        "reads-the-hosts-files",
        "reads other users' files",
        "return attempt(lambda: read('/etc/shadow'), lambda: os.listdir(x['state']))",
        held=BUT_T0,
    ),
    Case(
        "reads-the-executors-memory",
        "reads the executor's memory, environment and descriptors",
        """
        pid = x['executor']
        paths = [f'/proc/{pid}/{name}' for name in ('mem', 'environ', 'maps', 'fd/0')]
        return attempt(*(lambda p=p: os.close(os.open(p, 0)) for p in paths))
        """,
        held=YES,
        note="T0: where nbfn runs as root, or the system restricts ptrace",
    ),
    Case(
        "reads-a-neighbours-memory",
        "reads another instance's memory and environment",
        """
        paths = [f'/proc/{pid}/{name}' for pid in x['neighbours'] for name in ('environ', 'maps')]
        return attempt(*(lambda p=p: read(p) for p in paths))
        """,
        held=BUT_T0,
    ),
    Case(
        "reads-a-neighbours-files",
        "reads another instance's files",
        """
        return attempt(*(lambda n=n: os.listdir(x['neighbours_folder'] + n) for n in ('/tmp', '/iofs')))
        """,
        held=BUT_T0,
    ),
    Case(
        "sees-others",
        "sees other processes",
        """
        return {'held': str(x['executor']) not in os.listdir('/proc'), 'said': len(os.listdir('/proc'))}
        """,
        held=T2,
    ),
    Case(
        "kills-others",
        "signals the executor and other instances",
        """
        return attempt(*(lambda p=p: os.kill(p, 0) for p in (x['executor'], *x['neighbours'])))
        """,
        held=BUT_T0,
        note="T1: from Landlock 6 (Linux 6.12) on",
    ),
    Case(
        "traces-others",
        "traces others (ptrace)",
        """
        seize, others = 0x4206, (*x['neighbours'], os.getppid())
        return attempt(*(lambda p=p: system_call(x['ptrace'], seize, p, 0, 0) for p in others))
        """,
        held=BUT_T0,
    ),
    Case(
        "calls-the-executor",
        "connects to the executor's socket",
        """
        s = socket.socket(socket.AF_UNIX)
        return attempt(lambda: s.connect(x['socket']))
        """,
        held=YES,
        as_user=T2,
        note="T0, T1: where nbfn runs as root; else it answers only to who has the token",
    ),
    Case(
        "commands-the-executor",
        "gives the executor orders",
        """
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(x['socket'])
            s.sendall(b'POST /nbfn/v1/stop HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 0\\r\\n\\r\\n')
            answer = s.recv(100).decode()
        except OSError as error:
            answer = f'401 {error}'
        return {'held': '401' in answer, 'said': answer}
        """,
        held=YES,
    ),
    Case(
        "calls-a-neighbour",
        "connects to another instance's socket",
        """
        s = socket.socket(socket.AF_UNIX)
        return attempt(lambda: s.connect(x['neighbours_folder'] + '/iofs/lsnr.sock'))
        """,
        held=YES,
        as_user=T2,
        note="T0, T1: where nbfn runs as root",
    ),
    Case(
        "mounts",
        "mounts",
        """
        folder = tempfile.mkdtemp()
        command = ['mount', '-t', 'tmpfs', 'x', folder]
        return attempt(
            lambda: system_call(x['mount'], 0, 0, 0, 0x1000, 0),
            lambda: subprocess.run(command, check=True, capture_output=True),
        )
        """,
        held=YES,
    ),
    Case(
        "escapes-its-root",
        "leaves its root (chroot, namespaces)",
        """
        return attempt(lambda: os.chroot('/tmp'), lambda: system_call(x['unshare'], 0x10000000))
        """,
        held=BUT_T0,
    ),
    Case(
        "becomes-root",
        "becomes root",
        """
        def su():
            subprocess.run(['su', '-c', 'true'], check=True, stdin=subprocess.DEVNULL, capture_output=True)
        return attempt(lambda: os.setuid(0), su)
        """,
        held=YES,
    ),
    Case(
        "climbs-out",
        "climbs out with ..",
        """
        ways = '../' * 30, '/proc/1/root', '/proc/self/cwd/../../..', '/proc/self/root'
        return attempt(*(lambda w=w: read(w + x['state'] + '/token') for w in ways))
        """,
        held=BUT_T0,
    ),
    Case(
        "uses-the-network",
        "uses a network that it may not have",
        """
        return attempt(
            lambda: socket.create_connection(('127.0.0.1', x['port']), 5),
            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        )
        """,
        held=YES,
        limits={"config": {"NBFN_NETWORK": "none"}},
        note="T0: is not started",
    ),
    Case(
        "makes-devices",
        "makes device files",
        """
        path = os.environ.get('TMPDIR', '/tmp') + '/d'
        return attempt(lambda: os.mknod(path, 0o600 | stat.S_IFBLK, os.makedev(8, 0)))
        """,
        held=YES,
    ),
    Case(
        "talks-to-the-kernel",
        "loads modules, sets the clock",
        """
        return attempt(
            lambda: system_call(x['init_module'], 0, 0, 0),
            lambda: time.clock_settime(0, time.time()),
        )
        """,
        held=YES,
    ),
    Case(
        "writes-to-the-kernels-log",
        "writes to the kernel's log",
        "return attempt(lambda: open('/dev/kmsg', 'wb').close())",
        held=YES,
    ),
)
