"""Settings: defaults, what cannot be read, and the way to a child process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nbfn import config
from nbfn.errors import BadInput


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NBFN_PORT", "http"),
        ("NBFN_PORT", "-1"),
        ("NBFN_PORT", "65536"),
        ("NBFN_LINGER_S", "soon"),
        ("NBFN_LINGER_S", "-3"),
        ("NBFN_LINGER_S", "inf"),
        ("NBFN_LINGER_S", "nan"),
        ("NBFN_DRIVER", "docker-compose"),
        ("NBFN_TIER", "T9"),
        ("NBFN_MEMORY_MB", "much"),
    ],
)
def test_a_value_that_cannot_be_read_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(BadInput, match=name) as caught:
        config.load({name: value})
    assert value in caught.value.message
    assert caught.value.hint


def test_the_state_folder_follows_xdg() -> None:
    assert config.load({"XDG_STATE_HOME": "/x"}).state == Path("/x/nbfn")
    assert config.load({}).state == Path.home() / ".local/state/nbfn"
    assert config.load({"NBFN_STATE": "/y"}, state="/z").state == Path("/z")


def test_a_long_state_folder_has_its_socket_in_a_short_one() -> None:
    settings = config.load({"NBFN_STATE": "/" + "long/" * 30})
    assert len(os.fsencode(settings.socket)) < 100
    assert settings.socket != config.load({"NBFN_STATE": "/" + "long/" * 31}).socket


@pytest.mark.parametrize(
    "environ",
    [
        {"NBFN_STATE": "/s"},
        {"NBFN_STATE": "/s", "NBFN_PORT": "off", "NBFN_DRIVER": "fake", "NBFN_TIER": "T1"},
        {"NBFN_STATE": "/s", "NBFN_SOCKET": "/t/x.sock", "NBFN_PORT": "8080", "NBFN_MEMORY_MB": "512"},
        {
            "NBFN_STATE": "/s",
            "NBFN_BASE": "x/{python}",
            "NBFN_FN_IMAGES": "m.example/fn/",
            "NBFN_REGISTRY_HTTP": "a:1,b:2",
            "DOCKER_CONFIG": "/d",
            "REGISTRY_AUTH_FILE": "/r/auth.json",
        },
        {"NBFN_STATE": "/s", "NBFN_APP": "lab", "NBFN_LINGER_S": "1.5", "NBFN_TOKEN_FILE": "/t/token"},
    ],
)
def test_a_child_process_loads_the_same_settings(environ: dict[str, str]) -> None:
    settings = config.load(environ)
    assert config.load(config.environment(settings)) == settings


def test_every_variable_is_in_the_table_at_the_top() -> None:
    documented = {word.strip("`") for word in (config.__doc__ or "").split() if word.startswith("``NBFN_")}
    told = {name for name in config.environment(config.load({})) if name.startswith("NBFN_")}
    assert documented >= {name for name in told if name in documented}
    assert told >= documented
