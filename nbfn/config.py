"""Settings, and the only reader of the environment.

==========================  ====================================================================
``NBFN_STATE``              folder of everything kept: database, images, logs
                            (default ``$XDG_STATE_HOME/nbfn`` or ``~/.local/state/nbfn``)
``NBFN_SOCKET``             the executor's unix socket (default ``STATE/executor.sock``)
``NBFN_HOST``               address of the executor's TCP listener (default ``127.0.0.1``)
``NBFN_PORT``               its port; 0 takes a free one, ``off`` means unix socket only (default 0)
``NBFN_TOKEN_FILE``         file of the bearer token (default ``STATE/token``, made when missing)
``NBFN_APP``                application that functions go to (default ``notebook``)
``NBFN_LINGER_S``           how long an executor that was started by use stays after its last user
                            has gone (seconds, default 30)
``NBFN_DRIVER``             how instances run: ``sandbox``, ``docker`` (containers of the daemon that
                            ``DOCKER_HOST`` names), ``auto`` (the sandbox for what it can run, Docker
                            for the rest; default) or ``fake``
``NBFN_TIER``               highest isolation tier that the sandbox may use: ``T0``, ``T1`` or ``T2``
``NBFN_MEMORY_MB``          memory that all instances together may hold (default: 80 % of what the
                            machine, or its cgroup, has)
``NBFN_BASE``               what base ``fn`` stands for: the image that functions in containers are
                            built on; ``{python}`` in it is the kernel's minor version
                            (default ``docker.io/fnproject/python:{python}``)
``NBFN_FN_IMAGES``          what stands for ``fnproject`` in the names of Fn's images when Docker builds
                            a project folder: a mirror of theirs
``NBFN_REGISTRY_CA``        file of certificates to trust of registries, beside the system's
``NBFN_REGISTRY_HTTP``      registries that are spoken to in plain http, as ``host:port,…``
                            (this machine's own always may be)
``DOCKER_CONFIG``           folder of Docker's ``config.json``, which has the registries' logins
                            (default ``~/.docker``)
``REGISTRY_AUTH_FILE``      file of the logins of ``podman login`` and ``skopeo login``, for registries that
                            Docker's has none for (default: where these keep it, below
                            ``$XDG_RUNTIME_DIR``, ``/run/containers`` or ``~/.config``)
``NBFN_CGROUPS``            ``auto`` (default): instances are limited by cgroups where they can be made;
                            ``off``: their memory is looked at instead
``NBFN_LOG_LEVEL``          how much the executor says: ``debug``, ``info`` (default), ``warn``, ``error``
                            or ``fatal``
``NBFN_ZYGOTES``            how many sets of imported libraries are kept ready for new instances to be
                            forked from; 0 starts each as a new process (default 4)
==========================  ====================================================================
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_BASE = "docker.io/fnproject/python:{python}"
"""The image that Fn's own Python functions run on."""
FN_PYTHONS = ("3.11", "3.12")
"""The minor versions that Fn has images of, in 2026."""
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal", "panic")
"""As Fn has them; the last two are one."""
DRIVERS = ("auto", "sandbox", "docker", "fake")
# A sockaddr_un holds 108 bytes; a longer state folder puts its sockets in a short one of its own.
_SOCKET_PATH_MAX = 96


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are kept and how the executor listens. Make one with :func:`load`."""

    state: Path
    socket: Path
    host: str
    port: int | None
    """TCP port; 0 = any free one, None = no TCP listener."""
    token_file: Path
    app: str
    linger_s: float
    driver: str
    tier: str | None
    memory_mb: int | None
    base: str
    """Image that functions in containers are built on; ``{python}`` is the minor version."""
    fn_images: str
    """What stands for ``fnproject`` in the names of Fn's images; empty: that."""
    registry_ca: Path | None
    registry_http: tuple[str, ...]
    docker_config: Path
    """Folder of Docker's ``config.json``."""
    registry_auth: tuple[Path, ...]
    """Files of the logins of Podman and Skopeo, the first that has one counts; they need not be there."""
    zygotes: int
    cgroups: bool = True
    """Limit instances by cgroups, where they can be made."""
    log_level: str = "info"
    """Of what the executor says, one of :data:`LOG_LEVELS`."""

    @property
    def images(self) -> Path:
        """The OCI image layout that the kernel writes and the executor reads."""
        return self.state / "images"

    @property
    def run(self) -> Path:
        """A short-pathed private folder for sockets (those of instances too)."""
        return self.socket.parent / "run"


def load(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Settings from ``environ`` (default: the process's), with ``overrides`` winning.

    Raises:
        BadInput: a value that cannot be read, naming the variable.
    """
    env = os.environ if environ is None else environ
    given = {key: value for key, value in overrides.items() if value is not None}
    state = Path(str(given.pop("state", None) or env.get("NBFN_STATE") or _default_state(env)))
    state = state.expanduser().absolute()
    values: dict[str, object] = {
        "state": state,
        "socket": Path(env.get("NBFN_SOCKET") or _default_socket(state)).expanduser().absolute(),
        "host": env.get("NBFN_HOST") or "127.0.0.1",
        "port": _port(env.get("NBFN_PORT") or "0"),
        "token_file": Path(env.get("NBFN_TOKEN_FILE") or state / "token").expanduser().absolute(),
        "app": env.get("NBFN_APP") or "notebook",
        "linger_s": _number("NBFN_LINGER_S", env.get("NBFN_LINGER_S") or "30"),
        "driver": _choice("NBFN_DRIVER", env.get("NBFN_DRIVER") or "auto", DRIVERS),
        "tier": _choice("NBFN_TIER", env.get("NBFN_TIER") or "T2", ("T0", "T1", "T2")),
        "memory_mb": int(_number("NBFN_MEMORY_MB", env.get("NBFN_MEMORY_MB") or "0")) or None,
        "base": env.get("NBFN_BASE") or DEFAULT_BASE,
        "fn_images": (env.get("NBFN_FN_IMAGES") or "").rstrip("/"),
        "registry_ca": _file("NBFN_REGISTRY_CA", env.get("NBFN_REGISTRY_CA") or ""),
        "registry_http": tuple(filter(None, (env.get("NBFN_REGISTRY_HTTP") or "").split(","))),
        "docker_config": Path(env.get("DOCKER_CONFIG") or "~/.docker").expanduser().absolute(),
        "registry_auth": _registry_auth(env),
        "zygotes": int(_number("NBFN_ZYGOTES", env.get("NBFN_ZYGOTES") or "4")),
        "cgroups": _choice("NBFN_CGROUPS", env.get("NBFN_CGROUPS") or "auto", ("auto", "off")) == "auto",
        "log_level": _choice("NBFN_LOG_LEVEL", env.get("NBFN_LOG_LEVEL") or "info", LOG_LEVELS),
    }
    return Settings(**{**values, **given})  # type: ignore[arg-type]


def environment(settings: Settings, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, and ``more``, for a child that shall load exactly ``settings``."""
    told = {
        "NBFN_STATE": str(settings.state),
        "NBFN_SOCKET": str(settings.socket),
        "NBFN_HOST": settings.host,
        "NBFN_PORT": "off" if settings.port is None else str(settings.port),
        "NBFN_TOKEN_FILE": str(settings.token_file),
        "NBFN_APP": settings.app,
        "NBFN_LINGER_S": repr(settings.linger_s),
        "NBFN_DRIVER": settings.driver,
        "NBFN_TIER": settings.tier or "",
        "NBFN_MEMORY_MB": str(settings.memory_mb or 0),
        "NBFN_BASE": settings.base,
        "NBFN_FN_IMAGES": settings.fn_images,
        "NBFN_REGISTRY_CA": str(settings.registry_ca or ""),
        "NBFN_REGISTRY_HTTP": ",".join(settings.registry_http),
        "DOCKER_CONFIG": str(settings.docker_config),
        "NBFN_ZYGOTES": str(settings.zygotes),
        "NBFN_CGROUPS": "auto" if settings.cgroups else "off",
        "NBFN_LOG_LEVEL": settings.log_level,
    }
    if len(settings.registry_auth) == 1:
        told["REGISTRY_AUTH_FILE"] = str(settings.registry_auth[0])
    return {**os.environ, **(more or {}), **told}


def inherited(*, without: str) -> dict[str, str]:
    """This process's environment, less the variables whose names begin with ``without``."""
    return {name: value for name, value in os.environ.items() if not name.startswith(without)}


def variables() -> Mapping[str, str]:
    """This process's environment, for the files of other tools that variables override (``FN_*``)."""
    return os.environ


def variable(name: str) -> str:
    """One variable of this process's environment; empty if it is not there."""
    return os.environ.get(name, "")


def oci_environment() -> dict[str, str]:
    """What the environment says to clients of OCI: the variables ``OCI_*``, and where home is."""
    return {name: value for name, value in os.environ.items() if name.startswith("OCI_") or name == "HOME"}


def _default_state(env: Mapping[str, str]) -> Path:
    home = env.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "nbfn"


def _default_socket(state: Path) -> Path:
    path = state / "executor.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_MAX:
        return path
    mark = hashlib.sha256(os.fsencode(state)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"nbfn-{os.getuid()}-{mark}" / "executor.sock"


def _registry_auth(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Where Podman keeps logins: for this session, then beyond it; or where somebody said."""
    said = env.get("REGISTRY_AUTH_FILE")
    if said:
        return (Path(said).expanduser().absolute(),)
    runtime = env.get("XDG_RUNTIME_DIR")
    own = Path(runtime) / "containers" if runtime else Path("/run/containers") / str(os.getuid())
    lasting = Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "containers"
    return own / "auth.json", lasting / "auth.json"


def _port(text: str) -> int | None:
    if text == "off":
        return None
    port = int(_number("NBFN_PORT", text))
    if port > 65535:
        raise BadInput(f"NBFN_PORT is {text}", hint="use 0 to 65535, or 'off'")
    return port


def _file(name: str, text: str) -> Path | None:
    if not text:
        return None
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise BadInput(f"{name} is {text!r}, and no file is there", hint="set it to a file, or unset it")
    return path


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise BadInput(f"{name} is {text!r}", hint="set it to a number that is not negative")
    return value


def _choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise BadInput(f"{name} is {text!r}", hint=f"use one of: {', '.join(choices)}")
    return text
