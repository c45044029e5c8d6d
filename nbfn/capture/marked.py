"""Marked secrets: their values go to the configuration, and func.py says ``os.environ["NAME"]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.capture.limits import variable_of

if TYPE_CHECKING:
    from nbfn.capture.explain import Explainer, Site
    from nbfn.secrets import Secret


class Secrets:
    """The secrets of one capture."""

    def __init__(self, explain: Explainer) -> None:
        self.config: dict[str, str] = {}
        """Their values, by environment variable."""
        self._explain = explain
        self._met: list[tuple[Secret, str]] = []

    def variable(self, value: Secret, path: str, site: Site | None) -> str:
        """The environment variable for ``value``, which was found at ``path``.

        Raises:
            CaptureError: another secret has that variable.
        """
        known = next((name for each, name in self._met if each is value), "")
        name = value.name or known or variable_of(path)
        if self.config.setdefault(name, str(value)) != value:
            raise self._explain.two_secrets(name, path, value, site)
        self._met.append((value, name))
        return name

    def __repr__(self) -> str:
        return f"<secrets {', '.join(self.config)}>"
