"""Images to and from any registry, by the OCI distribution specification."""

from __future__ import annotations

from nbfn.containerize.registry.access import Access
from nbfn.containerize.registry.ahead import Ahead
from nbfn.containerize.registry.credentials import Credentials
from nbfn.containerize.registry.pull import pull
from nbfn.containerize.registry.push import push
from nbfn.containerize.registry.reference import Reference
from nbfn.containerize.registry.repository import Repository

__all__ = ["Access", "Ahead", "Credentials", "Reference", "Repository", "pull", "push"]
