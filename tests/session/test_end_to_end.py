"""From a cell to an answer and back, with every part real: image, executor process, sandbox, HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import traceback
import warnings
from contextlib import ExitStack, suppress
from subprocess import PIPE
from typing import TYPE_CHECKING, Any, cast

import pytest
from IPython.core.ultratb import FormattedTB

from nbfn import local
from nbfn import session as sessions
from nbfn.errors import ExecutorLost, LimitError, NotFound
from nbfn.function import Function, deploy, function
from nbfn.observe import FunctionPicture, fold
from nbfn.session import Session
from tests.session import running
from tests.session.notebook import Notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbfn.config import Settings
    from nbfn.spec import Deployment, Event, ImageRef

GREET = """
    import numpy as np

    GREETING = "hello"

    def twice(text):
        return np.repeat([text], 2).tolist()

    def greet(name: str, mark: str = "!") -> list[str]:
        print(f"greeting {name}")
        return twice(f"{GREETING} {name}{mark}")
"""


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def session(settings: Settings, notebook: Notebook) -> Iterator[Session]:
    with Session(settings, notebook.cells, notebook.namespace) as made:
        sessions.use(made)
        yield made
        running.stop(settings)


def made(notebook: Notebook, name: str, **options: Any) -> Function[..., Any]:
    f = cast("Callable[..., Any]", notebook.namespace[name])
    return function(f, **options)


def test_a_function_with_a_helper_and_a_package_is_cold_and_then_warm(
    session: Session, notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.run(GREET)
    greet = deploy(made(notebook, "greet", memory=512))
    assert greet("you") == ["hello you!", "hello you!"]
    assert capsys.readouterr().out == "greeting you\n"
    assert greet.last is not None
    assert (greet.last.start, greet.last.reason, greet.last.calls_served) == ("cold", "first-call", 0)
    assert greet("me", mark="?") == ["hello me?", "hello me?"]
    assert (greet.last.start, greet.last.reason, greet.last.calls_served) == ("warm", "", 1)
    assert greet.last.timings_ms.keys() >= {"run", "total"}
    assert greet.logs().text == "greeting you\ngreeting me\n"
    assert greet.local("x") == ["hello x!", "hello x!"]
    assert "def twice(" in greet.source
    assert repr(greet) == f"<nbfn function greet (app notebook) → {greet.url}>"
    assert "numpy" in str(greet.describe())


def test_instances_draw_different_random_numbers(session: Session, notebook: Notebook) -> None:
    """They are forked from one process that has numpy's generator already."""
    notebook.run("""
        import numpy as np

        def draw():
            return np.random.random(2).tolist()
    """)
    draw = cast("Callable[..., Any]", notebook.namespace["draw"])
    first, second = (function(draw, name=name, memory=512)() for name in ("one", "two"))
    assert first != second


def test_what_it_raises_shows_the_lines_of_the_cell(session: Session, notebook: Notebook) -> None:
    notebook.run("""
        class Unlucky(Exception):
            pass

        def draw(number):
            if number == 13:
                raise Unlucky(f"it is {number}")
            return number
    """)
    draw = made(notebook, "draw")
    with pytest.raises(notebook.namespace["Unlucky"], match="it is 13") as caught:  # type: ignore[call-overload]
        draw(13)
    assert draw.last is not None
    assert draw.last.error is caught.value
    assert 'raise Unlucky(f"it is {number}")' in "".join(traceback.format_exception(caught.value))
    handler = FormattedTB(mode="Context", theme_name="nocolor")
    shown = "\n".join(handler.structured_traceback(caught.type, caught.value, caught.tb))
    assert 'raise Unlucky(f"it is {number}")' in shown
    assert "nbfn/function.py" not in shown
    assert "nbfn/session.py" not in shown
    assert draw(12) == 12
    assert draw.last.start == "warm"


def test_what_happens_adds_up_to_a_picture(session: Session, notebook: Notebook) -> None:
    notebook.run("def half(a):\n    print(a)\n    return 1 / a")
    half = deploy(made(notebook, "half"))
    assert half.deployment is not None
    pictures = [FunctionPicture(half.deployment.fn_id)]
    whole = threading.Event()

    def observe(event: Event) -> None:
        pictures.append(fold(pictures[-1], event))
        if pictures[-1].cold + pictures[-1].warm == 3 and pictures[-1].live[0].state == "idle":
            whole.set()

    with session.subscribe(half.deployment.fn_id, observe):
        assert [half(1), half(2)] == [1.0, 0.5]
        with pytest.raises(ZeroDivisionError):
            half(0)
        assert whole.wait(60)
    picture = pictures[-1]
    assert (picture.cold, picture.warm, picture.failed) == (1, 2, 1)
    assert [call.ok for call in picture.calls] == [True, True, False]
    assert picture.calls[0].reason == "first-call"
    assert "ZeroDivisionError" in picture.calls[2].message
    assert (len(picture.live), picture.live[0].calls, picture.live[0].reason) == (1, 3, "first-call")
    assert "".join(line.text for line in picture.logs if line.stream == "stdout") == "1\n2\n0\n"


def test_a_secret_reaches_the_function_and_is_in_no_image(session: Session, notebook: Notebook) -> None:
    notebook.run("""
        from nbfn import Secret

        API_KEY = Secret("sk-hidden-1")

        def greet() -> bool:
            return API_KEY.endswith("hidden-1")
    """)
    greet = deploy(made(notebook, "greet"))
    assert greet() is True
    assert 'API_KEY = os.environ["API_KEY"]' in greet.source
    shown = f"{greet!r} {greet.deployment!r} {greet.capture!r} {greet.spec!r} {greet.last!r}"
    assert "sk-hidden" not in shown
    image = session.layout.get(cast("ImageRef", greet.image))
    (code,) = [layer for layer in image.layers if layer.what == "code"]
    with code.tar() as tar:
        held = tar.read()
    assert b'environ["API_KEY"]' in held
    assert b"sk-hidden" not in held
    before = greet.image
    notebook.run('API_KEY = Secret("sk-other-hidden-1")')
    greet.deploy()
    assert greet.image == before
    assert cast("Deployment", greet.deployment).changed
    assert greet() is True


def test_deploying_the_same_again_changes_nothing(session: Session, notebook: Notebook) -> None:
    notebook.run(GREET)
    greet = deploy(made(notebook, "greet"))
    first = greet.deployment
    assert first is not None
    assert first.changed
    again = greet.deploy().deployment
    assert again is not None
    assert not again.changed
    assert (again.fn_id, again.image, again.key) == (first.fn_id, first.image, first.key)
    with Session(session.settings, notebook.cells, notebook.namespace) as another:
        elsewhere = Function(greet.__wrapped__, greet.spec, another).deploy().deployment
    assert elsewhere is not None
    assert (elsewhere.changed, elsewhere.image, elsewhere.key) == (False, first.image, first.key)


def test_a_new_revision_is_what_the_next_call_gets_and_only_after_deploying(
    session: Session, notebook: Notebook
) -> None:
    notebook.run("def version():\n    return 1")
    version = made(notebook, "version")
    assert version() == 1
    notebook.run("def version():\n    return 2")
    assert version() == 1
    version = deploy(made(notebook, "version"))
    assert version() == 2
    assert version.last is not None
    assert (version.last.start, version.last.reason) == ("cold", "new-revision")


def test_undeploying_is_done_once_and_calling_deploys_anew(session: Session, notebook: Notebook) -> None:
    notebook.run("def one():\n    return 1")
    one = made(notebook, "one")
    assert not one.undeploy()
    assert one() == 1
    assert one.undeploy()
    assert not one.undeploy()
    with pytest.raises(NotFound):
        session.target.inspect("notebook", "one")
    assert one() == 1


def test_arguments_that_do_not_fit_are_not_sent(session: Session, notebook: Notebook) -> None:
    notebook.run("def one(a):\n    return a")
    one = made(notebook, "one")
    with pytest.raises(TypeError, match=r"^one\(\) missing 1 required positional argument: 'a'$"):
        one()
    assert one.last is None
    assert one.deployment is None


def test_from_another_thread_output_is_not_printed(
    session: Session, notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.run("def say():\n    print('hello')")
    say = made(notebook, "say")
    threads = [threading.Thread(target=say) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capsys.readouterr().out == ""
    assert say.last is not None
    assert say.last.output == "hello\n"
    assert len(session.target.list("notebook")) == 1


def test_killed_during_a_call_and_the_next_call_works(session: Session, notebook: Notebook) -> None:
    notebook.run("""
        def wait(forever):
            while forever:
                pass
            return "here"
    """)
    wait = deploy(made(notebook, "wait"))
    assert wait.deployment is not None
    settings, started, restarted = session.settings, threading.Event(), threading.Event()

    def observe(event: Event) -> None:
        if event.kind == "call.started":
            started.set()
        if event.kind == "executor.restarted":
            restarted.set()

    subscription = session.subscribe(wait.deployment.fn_id, observe)
    errors: list[BaseException] = []

    def call() -> None:
        try:
            wait(True)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert started.wait(60)
    running.kill(settings)
    thread.join()
    assert [type(error) for error in errors] == [ExecutorLost]
    assert "may have run" in str(errors[0])
    assert restarted.wait(60)
    started.clear()
    assert wait(False) == "here"
    assert wait.last is not None
    assert wait.last.start == "cold"
    assert started.wait(60)  # the events of the new executor come too
    subscription.close()
    session.close()
    running.stop(settings)
    deadline = time.monotonic() + 30
    while (left := running.processes_of(settings)) and time.monotonic() < deadline:
        os.sched_yield()
    assert left == []


SHARE = """
import sys
from nbfn import config, local
settings = config.load(state=sys.argv[1])
endpoint = local.ensure(settings)
lease = local.hold_lease(endpoint)
with endpoint.client() as client:
    info = client.get("/nbfn/v1/info").json()
print(info["pid"], info["leases"] >= 1, flush=True)
sys.stdin.read()
"""


def test_two_kernels_share_one_executor_which_ends_after_them(settings: Settings) -> None:
    command, environ = (
        [sys.executable, "-c", SHARE, str(settings.state)],
        {**os.environ, "NBFN_LINGER_S": "1"},
    )
    with ExitStack() as stack:
        kernels = [
            stack.enter_context(subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environ))
            for _ in range(2)
        ]
        told = [kernel.stdout.readline().split() for kernel in kernels if kernel.stdout]
        assert told[0] == told[1] == [str(running.pid_of(settings)), "True"]
        kernels[0].communicate()
        assert local.find(settings) is not None
        kernels[1].communicate()
    running.wait_until_gone(settings)
    assert local.find(settings) is None


KILLED = """
import sys, nbfn
from nbfn import config, session
session.use(session.Session(config.load(state=sys.argv[1])))

def busy():
    while True:
        pass

def ready():
    return "ready"

print(nbfn.deploy(ready)(), flush=True)
nbfn.deploy(busy)()
"""


def test_a_kernel_killed_in_the_middle_of_a_call_leaves_nothing_behind(
    settings: Settings, tmp_path: Path
) -> None:
    (script := tmp_path / "kernel.py").write_text(KILLED)
    command = [sys.executable, str(script), str(settings.state)]
    with subprocess.Popen(
        command, stdout=PIPE, text=True, env={**os.environ, "NBFN_LINGER_S": "1"}
    ) as kernel:
        assert kernel.stdout is not None
        assert kernel.stdout.readline() == "ready\n"
        kernel.kill()
    running.wait_until_gone(settings)
    deadline = time.monotonic() + 30
    while (left := running.processes_of(settings)) and time.monotonic() < deadline:
        os.sched_yield()
    assert left == []
    assert not settings.socket.exists()
    assert not (settings.state / "executor.json").exists()
    assert list(settings.run.glob("*")) == []


def test_a_decorated_function_of_a_cell_takes_classes_and_calls_others(
    session: Session, notebook: Notebook
) -> None:
    notebook.run("""
        import nbfn
        from dataclasses import dataclass
        import numpy as np

        @dataclass
        class Point:
            x: float
            y: float

        @nbfn.function
        def flip(point: Point) -> Point:
            return Point(point.y, point.x)

        @nbfn.function(memory=512, config={"SCALE": "2"})
        def grow(points, weights):
            import os
            scale = int(os.environ["SCALE"])
            flipped = [flip(Point(each.x * scale, each.y * scale)) for each in points]
            return flipped, np.multiply(weights, scale)
    """)
    space = cast("Any", notebook.namespace)
    points, weights = space["grow"]([space["Point"](1, 2)], space["np"].arange(3))
    assert points == [space["Point"](4, 2)]
    assert weights.tolist() == [0, 2, 4]
    assert space["grow"].spec.limits.memory_mb == 512
    assert "nbfn" not in space["grow"].source


def test_a_forked_child_has_connections_of_its_own(session: Session, notebook: Notebook) -> None:
    notebook.run("def one(a):\n    return a + 1")
    one = made(notebook, "one")
    assert one(1) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # forking beside threads is what is tried here
        child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os._exit(0 if [one(number) for number in range(20)] == list(range(1, 21)) else 1)
        os._exit(2)
    assert [one(number) for number in range(20)] == list(range(1, 21))
    assert os.waitpid(child, 0)[1] == 0


def test_bad_options_are_refused_before_anything_is_done(settings: Settings) -> None:
    sessions.use(Session(settings))
    with pytest.raises(LimitError):
        function(lambda: None, name="f", memory=0)
    with pytest.raises(LimitError):
        function(lambda: None, name="f", timeout=-1)
    assert local.find(settings) is None
