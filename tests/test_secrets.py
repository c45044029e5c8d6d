"""Marked secrets: ordinary texts that hide themselves."""

from __future__ import annotations

import pickle

import pytest

from nbfn import Secret, secret
from nbfn.errors import BadInput
from nbfn.spec import Capture, FunctionSpec, PythonVersion


def test_a_secret_is_a_text_that_no_repr_shows() -> None:
    made = Secret("sk-hidden", name="API_KEY")
    assert made == "sk-hidden"
    assert f"Bearer {made}" == "Bearer sk-hidden"
    assert repr(made) == "Secret(…, name='API_KEY')"
    assert "sk-" not in repr([Secret("sk-hidden"), {"a": made}])
    assert type(str(made)) is str


def test_as_an_argument_it_is_a_plain_text() -> None:
    again = pickle.loads(pickle.dumps(Secret("sk-hidden")))
    assert (type(again), again) == (str, "sk-hidden")


def test_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-hidden")
    made = secret("SOME_KEY")
    assert (made, made.name) == ("sk-hidden", "SOME_KEY")
    monkeypatch.delenv("SOME_KEY")
    with pytest.raises(BadInput, match="the environment has no SOME_KEY"):
        secret("SOME_KEY")


@pytest.mark.parametrize("name", ["a-b", "1A", "NBFN_KEY", "FN_ID", "a b"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(BadInput, match="cannot name a secret") as caught:
        Secret("sk-hidden", name=name)
    assert "sk-hidden" not in str(caught.value)


@pytest.mark.parametrize("value", ["", "a\0b"])
def test_values_that_cannot_be(value: str) -> None:
    with pytest.raises(BadInput, match="the secret A"):
        Secret(value, name="A")


def test_what_holds_the_values_hides_them_and_does_not_depend_on_them() -> None:
    one, two = (
        Capture("f", "values", "source", PythonVersion(3, 11), config={"API_KEY": value})
        for value in ("sk-1", "sk-2")
    )
    assert "sk-1" not in repr(one)
    assert one.fingerprint == two.fingerprint
    assert "sk-1" not in repr(FunctionSpec("f", "app", config={"API_KEY": "sk-1"}))
