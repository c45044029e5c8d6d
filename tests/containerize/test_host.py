from __future__ import annotations

import platform
import sysconfig

import pytest

from nbfn.containerize import Image, fits, host
from nbfn.errors import ImageError


def image_with(labels: dict[str, str], **changes: str) -> Image:
    return Image.empty({**host.machine_platform(), **changes}).configured(env={}, labels=labels)


def test_the_facts_are_those_of_this_interpreter() -> None:
    assert host.soabi() == sysconfig.get_config_var("SOABI")
    known = {"x86_64": "amd64", "aarch64": "arm64"}
    if platform.machine() in known:
        assert host.machine_platform()["architecture"] == known[platform.machine()]


def test_an_image_of_this_python_fits() -> None:
    fits(image_with({"org.nbfn.host": host.soabi()}))
    fits(image_with({}))


def test_an_image_of_another_python_does_not() -> None:
    needed = "cpython-399-x86_64-linux-gnu"
    with pytest.raises(ImageError, match=needed) as caught:
        fits(image_with({"org.nbfn.host": needed, "org.nbfn.python": "3.99"}))
    assert host.soabi() in str(caught.value)
    assert "3.99" in caught.value.hint


def test_an_image_of_another_machine_does_not() -> None:
    with pytest.raises(ImageError, match="linux/riscv64"):
        fits(image_with({}, architecture="riscv64"))
