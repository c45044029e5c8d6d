"""What the compiler says about names, against symtable's own analysis and by example."""

from __future__ import annotations

import ast
import symtable
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.capture.names import uses_of_node


def uses(text: str) -> dict[str, bool]:
    """Each needed name, and whether it is needed at once by any use."""
    found: dict[str, bool] = {}
    for use in uses_of_node(ast.parse(textwrap.dedent(text)).body[0]).loads:
        if use.needed:
            found[use.name] = found.get(use.name, False) or use.at_once
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(x): return x + y", {"y": False}),
        ("def f(x=y): return x", {"y": True}),
        ("@d(a)\ndef f(): return f()", {"d": True, "a": True, "f": False}),
        ("def f(x: T) -> R: return [x for x in x if z]", {"T": True, "R": True, "z": False}),
        (
            "class C(B, metaclass=M):\n x = a\n y = x\n def m(self): return b, C, x",
            {"B": True, "M": True, "a": True, "b": False, "C": False, "x": False},
        ),
        ("class C:\n n = n\n rows = [k for i in n]", {"n": True, "k": True}),
        ("class C:\n def f(self): return __x\n", {"_C__x": False}),
        ("def f():\n def g():\n  nonlocal v\n  v = w\n v = 1\n return g", {"w": False}),
        ("def f():\n import os\n return os.path, sys", {"sys": False}),
        ("def f():\n try: g()\n except E as e: return e", {"g": False, "E": False}),
        ("def f(v):\n match v:\n  case P(x=a): return a\n  case [_, *q]: return q", {"P": False}),
        ("def f(): return lambda n, m=k: n + m + j", {"k": False, "j": False}),
        ("def f(): return (y := 1) + [y for _ in r][0]", {"r": False}),
        ("async def f(a):\n async with a as b: return await c(b)", {"c": False}),
        ("def f():\n global g\n g = h\n return g", {"g": False, "h": False}),
        ("def f(): return __name__, __file__", {}),
        ("f = lambda x: x + y", {"y": False}),
    ],
)
def test_examples(text: str, expected: dict[str, bool]) -> None:
    assert uses(text) == expected


def test_lines_chains_and_what_is_only_spoken_of() -> None:
    node = ast.parse('def f(a: "Late"):\n    return (\n        np.random.rng(os.path.join)\n    )').body[0]
    found = {use.name: use for use in uses_of_node(node).loads}
    assert (found["np"].line, found["np"].chain) == (3, ("random", "rng"))
    assert found["os"].chain == ("path", "join")
    assert (found["Late"].needed, found["Late"].line) == (False, 1)


def test_global_statements_store() -> None:
    node = ast.parse("def f():\n    global a\n    a = 1\n    def g():\n        global b\n        del b").body[
        0
    ]
    assert uses_of_node(node).stores == {"a", "b"}


NAMES = st.sampled_from("abcdef")
ATOMS = st.one_of(NAMES, st.just("1"))


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} + {})".format, inner, inner),
        st.builds("[{} for {} in {}]".format, inner, NAMES, inner),
        st.builds("(lambda {}: {})".format, NAMES, inner),
        st.builds("{}({})".format, NAMES, inner),
    )


EXPRESSIONS = st.recursive(ATOMS, _expressions, max_leaves=6)


def _blocks(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    def indented(head: str, body: list[str]) -> list[str]:
        return [head, *(f"    {line}" for line in body)]

    return st.one_of(
        st.builds(lambda n, a, d, b: indented(f"def {n}({a}={d}):", b), NAMES, NAMES, EXPRESSIONS, inner),
        st.builds(lambda n, e, b: indented(f"class {n}({e}):", b), NAMES, EXPRESSIONS, inner),
        st.builds(lambda n, e, b: indented(f"for {n} in {e}:", b), NAMES, EXPRESSIONS, inner),
        st.builds(lambda a, b: a + b, inner, inner),
    )


LINES = st.one_of(
    st.builds("{} = {}".format, NAMES, EXPRESSIONS),
    EXPRESSIONS,
    st.builds("import {}".format, NAMES),
)
BODIES = st.recursive(st.lists(LINES, min_size=1, max_size=3), _blocks, max_leaves=5)


@given(BODIES)
def test_a_function_uses_the_globals_that_symtable_sees(body: list[str]) -> None:
    text = "def target():\n" + "\n".join(f"    {line}" for line in body)
    seen: set[str] = set()
    todo = [symtable.symtable(text, "<text>", "exec").get_children()[0]]
    while todo:
        table = todo.pop()
        symbols = table.get_symbols()
        seen |= {each.get_name() for each in symbols if each.is_global() and each.is_referenced()}
        # A class body may also read from outside what it binds itself: only the run decides.
        todo += table.get_children()
    found = {use.name for use in uses_of_node(ast.parse(text).body[0]).loads if use.needed}
    assert seen <= found
    assert all(name in seen or "class" in text for name in found)
