"""Functions that answer, or write, what they should not."""

from __future__ import annotations

from tests.misbehave.cases.case import LOST, SHORT, Case

SAYS = (
    Case(
        "closes-its-connection",
        "closes its connection",
        "connection().shutdown(2); time.sleep(60)",
        502,
        f"^{LOST}the connection was closed",
    ),
    Case(
        "closes-everything",
        "closes every descriptor",
        "os.closerange(0, 100); time.sleep(60)",
        502,
        f"^{LOST}the connection was closed",
    ),
    Case(
        "unlinks-its-socket",
        "removes its socket",
        """
        path = os.environ['FN_LISTENER'][5:]
        attempt(lambda: os.unlink(path))
        return 'done'
        """,
    ),
    Case(
        "locks-its-folder",
        "takes away the rights to its own folder",
        """
        path = os.path.dirname(os.environ['FN_LISTENER'][5:])
        attempt(lambda: os.chmod(path, 0))
        return 'done'
        """,
    ),
    Case(
        "garbage",
        "answers garbage",
        "connection().sendall(b'\\0\\xffhello\\r\\n\\r\\n'); time.sleep(60)",
        502,
        f"^{LOST}not an HTTP answer",
    ),
    Case(
        "answers-twice",
        "answers twice",
        """
        connection().sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\n\\r\\n1' * 2)
        return 2
        """,
        (200, 502, 0),
        "^$|more than one answer",
    ),
    Case(
        "huge-headers",
        "answers with 4 MB of headers",
        """
        header = b'X: ' + b'y' * 8000 + b'\\r\\n'
        connection().sendall(b'HTTP/1.1 200 OK\\r\\n' + header * 500); time.sleep(60)
        """,
        502,
        f"^{LOST}function response header too large",
    ),
    Case(
        "wrong-status",
        "answers with a status that it may not have",
        """
        connection().sendall(b'HTTP/1.1 418 T\\r\\nContent-Length: 0\\r\\n\\r\\n'); time.sleep(60)
        """,
        502,
        "^invalid function response: status 418",
    ),
    Case(
        "lies-in-headers",
        "tells times and sizes that cannot be",
        """
        told = b'Nbfn-Runtime: 1\\r\\nNbfn-Run-Ms: nan\\r\\nNbfn-Output: eA=='
        told += b'\\r\\nNbfn-Output-Cut: ' + b'9' * 5000
        connection().sendall(b'HTTP/1.1 200 OK\\r\\n' + told + b'\\r\\nContent-Length: 1\\r\\n\\r\\n1')
        time.sleep(1); os._exit(0)
        """,
        again=False,
    ),
    Case(
        "half-an-answer",
        "dies in the middle of its answer",
        """
        connection().sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nhalf'); os._exit(9)
        """,
        0,
        "exit code 9|^$",
    ),
    Case(
        "closes-stdout",
        "closes its standard streams",
        """
        os.close(1); os.close(2)
        print('x')
        return 'done'
        """,
        (200, 502),
        "^$|^function failed: OSError",
    ),
    Case(
        "logs-much",
        "writes 100 MB of logs",
        """
        line = b'x' * 999 + b'\\n'
        for _ in range(1000): os.write(1, line * 100)
        return 'done'
        """,
        limits={"timeout": 60},
    ),
    Case(
        "logs-for-ever",
        "writes for ever, without a line's end",
        "while True: os.write(1, b'x' * 65536)",
        504,
        "^Timed out: ",
        limits=SHORT,
    ),
    Case(
        "logs-later",
        "logs from a thread after its answer",
        """
        def later():
            while True:
                print('later'); time.sleep(.001)
        threading.Thread(target=later, daemon=True).start()
        return 'done'
        """,
    ),
)
