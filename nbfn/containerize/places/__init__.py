"""Where images come from and go to: registries, layout folders, tarballs, the Docker daemon.

Each is a :class:`Source` and a :class:`Sink`, and keeps to one conformance suite. A text names one as
``skopeo`` would: ``docker://HOST/NAME:TAG`` (or without ``docker://``), ``oci:FOLDER[:NAME]``,
``oci-archive:FILE[:NAME]``, ``docker-archive:FILE[:NAME]``, ``docker-daemon:NAME``, or a path.
"""

from __future__ import annotations

from nbfn.containerize.places.base import Place, Sink, Source
from nbfn.containerize.places.daemon import Daemon
from nbfn.containerize.places.find import find_place
from nbfn.containerize.places.folder import Folder
from nbfn.containerize.places.remote import Remote
from nbfn.containerize.places.tarball import Tarball

__all__ = ["Daemon", "Folder", "Place", "Remote", "Sink", "Source", "Tarball", "find_place"]
