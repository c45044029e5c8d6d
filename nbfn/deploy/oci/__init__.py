"""OCI Functions as a target: ``OciTarget(OciSettings(compartment_id=…))``."""

from __future__ import annotations

from nbfn.deploy.oci.archive import Archive, make_archive
from nbfn.deploy.oci.contexts import settings_of
from nbfn.deploy.oci.limits import Destination, Extras
from nbfn.deploy.oci.settings import OciSettings
from nbfn.deploy.oci.target import OciTarget

__all__ = ["Archive", "Destination", "Extras", "OciSettings", "OciTarget", "make_archive", "settings_of"]
