from __future__ import annotations

import importlib.util
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from nbfn.containerize.bytecode import Compiler, cached_name, code_of, existing, unchecked

TEXT = "COLOURS = {'red', 'green', 'blue'}\ndef f(x):\n    return x in {'a', 'b', 'c', 'd'} or ' '\n"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "module.py"
    path.write_text(TEXT)
    return path


def compiled(module: Path, mode: py_compile.PycInvalidationMode) -> Path:
    return Path(str(py_compile.compile(str(module), invalidation_mode=mode)))


@pytest.mark.parametrize("mode", list(py_compile.PycInvalidationMode))
def test_what_python_would_load_is_taken(module: Path, mode: py_compile.PycInvalidationMode) -> None:
    cached = compiled(module, mode)
    assert existing(module) == cached
    assert code_of(cached) == cached.read_bytes()[16:]


@pytest.mark.parametrize(
    "mode", [py_compile.PycInvalidationMode.TIMESTAMP, py_compile.PycInvalidationMode.CHECKED_HASH]
)
def test_what_is_stale_is_not(module: Path, mode: py_compile.PycInvalidationMode) -> None:
    compiled(module, mode)
    module.write_text(TEXT + "\n")
    assert existing(module) is None


def test_what_is_missing_cut_short_or_of_another_python_is_not(module: Path) -> None:
    assert existing(module) is None
    cached = compiled(module, py_compile.PycInvalidationMode.TIMESTAMP)
    whole = cached.read_bytes()
    cached.write_bytes(b"\0\0\0\0" + whole[4:])
    assert existing(module) is None
    cached.write_bytes(whole[:10])
    assert existing(module) is None


def test_rewritten_bytecode_loads_whatever_the_time_of_its_source(module: Path) -> None:
    code = code_of(compiled(module, py_compile.PycInvalidationMode.TIMESTAMP))
    pyc = module.parent / cached_name("module.py")
    pyc.write_bytes(unchecked(module.read_bytes(), code))
    os.utime(module, (0, 0))
    assert existing(module) == pyc
    for check in ("default", "always"):  # "always" recompiles unless the hash is right
        script = "import module; print(module.__cached__); assert module.f('a')"
        command = [sys.executable, "-v", "-B", "-S", "--check-hash-based-pycs", check, "-c", script]
        env = {"PYTHONPATH": str(module.parent)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(pyc)
        assert f"matches {module}" in done.stderr


def test_the_compiler_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    files = []
    for number in range(20):
        path = tmp_path / f"m{number:02}.py"
        path.write_text(TEXT + f"NUMBER = {number}\n")
        files.append((path, f"/python/{path.name}"))
    runs = []
    for _ in range(2):
        with Compiler(files) as compiler:
            runs.append([compiler.code(path) for path, _ in files])
    assert runs[0] == runs[1]
    assert b"/python/m07.py" in runs[0][7]
    assert str(tmp_path).encode() not in b"".join(runs[0])


def test_what_is_not_python_has_no_bytecode(tmp_path: Path) -> None:
    template, latin, fine = tmp_path / "a.py", tmp_path / "b.py", tmp_path / "c.py"
    template.write_text("def {{ name }}():")
    latin.write_bytes(b"x = '\xff'\n")
    fine.write_text("'\\d'")  # a SyntaxWarning or DeprecationWarning, which is nobody's business here
    files = [(path, f"/{path.name}") for path in (template, latin, fine)]
    with Compiler(files) as compiler:
        assert compiler.code(template) == b""
        assert compiler.code(latin) == b""
        assert compiler.code(fine) != b""


def test_a_compiler_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = [\n" + "    'some text',\n" * 20_000 + "]\n")
    compiler = Compiler([(path, "/a.py")] * 1)
    with pytest.raises(KeyboardInterrupt), compiler:
        raise KeyboardInterrupt
    assert all(process.returncode is not None for process in compiler._processes)


def test_names_are_those_of_python() -> None:
    assert cached_name("python/a/b.py") == importlib.util.cache_from_source("python/a/b.py", optimization="")
    assert cached_name("b.py") == importlib.util.cache_from_source("b.py", optimization="")
