"""What is shown of a function before and after it is deployed, by a real executor."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import pytest

import nbfn
from nbfn import session as sessions
from nbfn.errors import BadInput, NotFound
from nbfn.function import Function, deploy, function
from nbfn.session import Session
from tests.session import running
from tests.session.notebook import Notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbfn.config import Settings


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def session(settings: Settings, notebook: Notebook) -> Iterator[Session]:
    with Session(settings, notebook.cells, notebook.namespace) as made:
        sessions.use(made)
        yield made
        running.stop(settings)


def greet_of(notebook: Notebook) -> Callable[..., Any]:
    return cast("Callable[..., Any]", notebook.namespace["greet"])


def test_what_would_travel_is_shown_without_an_executor(
    session: Session, notebook: Notebook, settings: Settings
) -> None:
    notebook.run("""
        import packaging.version
        ROWS = [1, 2]
    """)
    notebook.run("ROWS.append(3)")
    notebook.run("""
        def greet(name):
            return packaging.version.Version("1"), ROWS
    """)
    shown = nbfn.show(greet_of(notebook))
    assert "value at deploy time; cell 2 changed it" in str(shown)
    assert [row.name for row in shown.packages] == ["packaging"]
    assert shown.packages[0].size > 10_000
    assert not (settings.state / "executor.json").exists()
    assert function(greet_of(notebook)).taken == shown.capture.taken


def test_a_difference_to_what_is_deployed(session: Session, notebook: Notebook) -> None:
    notebook.run("RATE = 2\ndef greet(n):\n    return n * RATE\n")
    with pytest.raises(NotFound):
        function(greet_of(notebook)).diff()
    greet = deploy(greet_of(notebook), memory=128, config={"MODE": "hidden"})
    assert not greet.diff()
    assert "sha256:" in str(greet.show())
    notebook.run("RATE = 3")
    found = str(greet.diff())
    assert "-RATE = 2\n+RATE = 3" in found
    other = Function(greet.__wrapped__, function(greet.__wrapped__, memory=256).spec, session)
    found = str(other.diff())
    assert "@@ limits @@\n-memory  128 MB\n+memory  256 MB" in found
    assert "@@ config @@\n-MODE" in found
    assert "hidden" not in found
    greet.deploy()
    assert not greet.diff()


def test_going_back_calls_what_was_deployed_then(session: Session, notebook: Notebook) -> None:
    def define(word: str) -> None:
        notebook.run(f"""
            class Loud(str):
                pass
            def greet(name):
                if name == "nobody":
                    raise ValueError("{word}")
                return Loud("{word} " + name)
        """)

    define("hello")
    greet = deploy(greet_of(notebook), config={"MODE": "a"})
    first = greet.deployment
    define("goodbye")
    greet = deploy(greet_of(notebook), memory=300)
    assert greet("Ana") == "goodbye Ana"
    newest, oldest = greet.revisions()
    assert (newest.number, newest.current, oldest.number) == (2, True, 1)
    assert newest.changed == ("image", "memory", "config.MODE")
    assert str(greet.revisions()).splitlines()[1].startswith("2 *")

    assert greet.rollback() is greet
    assert first is not None
    assert greet.image == first.image
    assert "hello" in greet.source
    back = greet("Ana")
    assert (back, type(back)) == ("hello Ana", notebook.namespace["Loud"])
    with pytest.raises(ValueError, match="hello"):
        greet("nobody")
    assert [(each.number, each.restores) for each in greet.revisions()] == [(3, 1), (2, 0), (1, 0)]
    assert greet.rollback(1).deployment.changed is False  # type: ignore[union-attr]
    with pytest.raises(BadInput, match="no revision 7") as caught:
        greet.rollback(7)
    assert caught.value.hint == "kept: 1, 2, 3"
    # Whoever has not deployed it goes back too, and calls that; deploying goes forward.
    other = Function(greet.__wrapped__, greet.spec, session)
    other.rollback(2)
    assert other("Ana") == "goodbye Ana"
    assert greet.deploy()("Ana") == "goodbye Ana"
    greet.undeploy()
    with pytest.raises(NotFound):
        greet.revisions()


def test_a_function_that_was_deployed_once_has_nothing_to_go_back_to(
    session: Session, notebook: Notebook
) -> None:
    notebook.run("def greet():\n    return 1\n")
    greet = deploy(greet_of(notebook))
    with pytest.raises(BadInput, match="no earlier revision"):
        greet.rollback()


def test_a_large_value_is_told_once(
    session: Session, notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    notebook.run("rows = bytes(10_500_000)\ndef greet():\n    return len(rows)\n")
    with caplog.at_level(logging.WARNING, logger="nbfn.function"):
        greet = deploy(greet_of(notebook))
        greet.deploy()
    (record,) = caplog.records
    assert record.getMessage() == (
        "greet takes 'rows', of cell 1, along: "
        "10.5 MB in the image; pass it, or load it inside, if it changes often"
    )
