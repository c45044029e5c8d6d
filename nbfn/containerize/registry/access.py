"""How registries may be reached: logins, certificates, and where plain http will do."""

from __future__ import annotations

import itertools
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.containerize.registry import credentials
from nbfn.containerize.registry.reference import is_local
from nbfn.enginetype import PODMAN, engine_type
from nbfn.errors import RegistryError

if TYPE_CHECKING:
    from nbfn.config import Settings
    from nbfn.containerize.registry.credentials import Credentials
    from nbfn.containerize.registry.reference import Reference

# Docker's own place for a registry's certificates: HOST/ca.crt.
_DOCKER_CERTIFICATES = Path("/etc/docker/certs.d")


@dataclass(frozen=True, slots=True)
class Access:
    """What this machine knows of registries."""

    docker_config: Path | None = None
    """Folder of Docker's ``config.json``."""
    registry_auth: tuple[Path, ...] = ()
    """Files of Podman's and Skopeo's logins, asked where Docker's has none."""
    ca: Path | None = None
    """Certificates to trust beside the system's."""
    http: frozenset[str] = field(default_factory=frozenset)
    """Hosts spoken to in plain http."""

    @classmethod
    def of(cls, settings: Settings) -> Access:
        """As the settings say."""
        return cls(
            settings.docker_config,
            settings.registry_auth,
            settings.registry_ca,
            frozenset(settings.registry_http),
        )

    def login(self, ref: Reference) -> Credentials | None:
        """The login for the registry of ``ref``; None: ask as anybody. Podman's own come first with Podman.

        Raises:
            LoginFailed: what there is cannot be read.
            BadInput: an engine is asked for that there is not.
        """
        dockers = [self.docker_config / "config.json"] if self.docker_config else []
        order = (self.registry_auth, dockers) if engine_type() == PODMAN else (dockers, self.registry_auth)
        found = (credentials.find(ref.host, path, ref.repository) for path in itertools.chain(*order))
        return next(filter(None, found), None)

    def schemes(self, ref: Reference) -> tuple[str, ...]:
        """What to try, in this order."""
        if ref.host in self.http:
            return ("http",)
        return ("http", "https") if is_local(ref.host) else ("https",)

    def tls(self, ref: Reference) -> ssl.SSLContext:
        """Whom to believe that they are the registry of ``ref``.

        Raises:
            RegistryError: a file of certificates cannot be read.
        """
        context = ssl.create_default_context()
        for path in (self.ca, *sorted((_DOCKER_CERTIFICATES / ref.host).glob("*.crt"))):
            if path is None:
                continue
            try:
                context.load_verify_locations(path)
            except (OSError, ssl.SSLError) as error:
                raise RegistryError(
                    f"the certificates in {path} cannot be read: {error}",
                    hint="give a file of certificates in PEM form, or take it away",
                ) from error
        return context
