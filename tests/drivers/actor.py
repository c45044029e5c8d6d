"""What test images run: an http-stream server that does as each call's JSON body tells it.

Standard library only; ``MODE`` in its environment says how it comes up. In the place of nbfn's runtime
it is started as that is: as a process, or in a fork of a zygote that calls ``run``.
"""

import json
import os
import signal
import socket
import sys
import time


def echo(value=None):
    return value


def say(text, stream="stdout"):
    getattr(sys, stream).write(text)
    getattr(sys, stream).flush()


def leave(code):
    os._exit(code)


def be_killed(by):
    os.kill(os.getpid(), by)
    time.sleep(60)


def environment():
    return dict(os.environ)


def descriptors():
    """What is open beyond stdin, stdout and stderr (this listing itself is gone when it is looked at)."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and os.path.lexists(f"/proc/self/fd/{name}"):
            found[name] = os.readlink(f"/proc/self/fd/{name}")
    return found


def attempt(call, *args):
    """``call`` of ``os`` with ``args``: its result as text, or the name of its error."""
    try:
        return str(getattr(os, call)(*args))
    except OSError as error:
        return type(error).__name__ + ": " + os.strerror(error.errno or 0)


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read(4096).decode("latin-1")
    except OSError as error:
        return type(error).__name__


def write(path, text=""):
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        return type(error).__name__
    return "written"


def status():
    """Lines of /proc/self/status as a mapping, and who this is."""
    with open("/proc/self/status") as file:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    return {**lines, "uid": os.getuid(), "gid": os.getgid(), "pid": os.getpid(), "cwd": os.getcwd()}


def hog(mb, shared=False):
    """Touch so much memory, and keep it."""
    import mmap

    kept = mmap.mmap(-1, mb << 20, mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE)
    for at in range(mb):
        kept[at << 20 : at + 1 << 20] = bytes(1 << 20)
    time.sleep(60)


def reserve(mb):
    """Ask for so much at once."""
    try:
        return len(bytearray(mb << 20))
    except MemoryError:
        return "MemoryError"


def draw():
    """From the generator that a zygote had already, if it had."""
    return sys.modules["random"].random() if "random" in sys.modules else None


def attribute(module, name):
    """Of a module that was imported before this was forked."""
    return getattr(sys.modules[module], name)


def leave_daemon():
    """A process that has left everything by which a parent could find it."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(300)
        os._exit(0)
    os.wait()


def fork_many(count):
    """Children that stay; how many there are in the end, or are allowed."""
    for number in range(count):
        try:
            if os.fork() == 0:
                time.sleep(300)
                os._exit(0)
        except OSError:
            return number
    return count


def reach(host, port):
    try:
        socket.create_connection((host, port), 5).close()
    except OSError as error:
        return type(error).__name__ + ": " + str(error)
    return "reached"


def kill_outside(pid):
    return attempt("kill", pid, signal.SIGKILL)


def kill_parent():
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def find_program(name):
    import shutil
    import subprocess

    path = shutil.which(name)
    code = "import sys, json, ssl; print(json.dumps([sys.executable, list(sys.version_info[:3])]))"
    return json.loads(subprocess.run([path, "-S", "-c", code], capture_output=True, check=True).stdout)


def system_call(number, *args):
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(arg) for arg in args))
    return "done" if result >= 0 else os.strerror(ctypes.get_errno())


ACTS = {name: act for name, act in globals().items() if callable(act) and not name.startswith("_")}


def listen(mode):
    address = os.environ["FN_LISTENER"].removeprefix("unix:")
    folder = os.path.dirname(address)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(folder, "phonylsnr.sock"))
    os.chmod(os.path.join(folder, "phonylsnr.sock"), 0o666)
    listener.listen()
    if mode == "absolute-link":
        os.symlink(os.path.join(folder, "phonylsnr.sock"), address)
    else:
        os.symlink("phonylsnr.sock", address)
    return listener


def serve(listener):
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as reader:
            while True:
                if not reader.readline():
                    break
                length = 0
                while (line := reader.readline().strip().lower()) != b"":
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                wanted = json.loads(reader.read(length))
                body = json.dumps(ACTS[wanted["act"]](*wanted["args"])).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def run(listener=None, announce=None):
    mode = os.environ.get("MODE", "")
    if mode == "missing-module":
        import a_module_that_is_missing  # noqa: F401
    if mode == "exit":
        say("no use\n", "stderr")
        leave(3)
    if mode == "killed":
        be_killed(signal.SIGSEGV)
    if mode == "never":
        say("still thinking\n")
        time.sleep(300)
    if mode == "daemon-then-exit":
        leave_daemon()
        leave(3)
    if mode == "polite":
        signal.signal(signal.SIGTERM, lambda *_: (say("goodbye\n"), leave(0)))
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if listener is None:
        listener = listen(mode)
    else:
        listener = socket.socket(fileno=listener.detach())
        announce()
    serve(listener)


if __name__ == "__main__":
    run()
