"""OCI's regions: identifier, short key, and the domain of the realm each is in."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each realm by its domain, below it its regions as key:identifier (as the oci SDK 2.189 knows them).
_REALMS = """
oraclecloud.com
    yny:ap-chuncheon-1 hyd:ap-hyderabad-1 mel:ap-melbourne-1 bom:ap-mumbai-1 kix:ap-osaka-1
    icn:ap-seoul-1 syd:ap-sydney-1 nrt:ap-tokyo-1 yul:ca-montreal-1 yyz:ca-toronto-1
    ams:eu-amsterdam-1 fra:eu-frankfurt-1 zrh:eu-zurich-1 jed:me-jeddah-1 dxb:me-dubai-1
    gru:sa-saopaulo-1 cwl:uk-cardiff-1 lhr:uk-london-1 iad:us-ashburn-1 phx:us-phoenix-1
    sjc:us-sanjose-1 vcp:sa-vinhedo-1 scl:sa-santiago-1 mtz:il-jerusalem-1 mrs:eu-marseille-1
    sin:ap-singapore-1 auh:me-abudhabi-1 lin:eu-milan-1 arn:eu-stockholm-1 jnb:af-johannesburg-1
    cdg:eu-paris-1 qro:mx-queretaro-1 mad:eu-madrid-1 ord:us-chicago-1 mty:mx-monterrey-1
    aga:us-saltlake-2 bog:sa-bogota-1 vap:sa-valparaiso-1 xsp:ap-singapore-2 ruh:me-riyadh-1
    onm:ap-delhi-1 hsg:ap-batam-1 orf:eu-madrid-3 nrq:eu-turin-1 jbp:ap-kulai-2 lej:af-casablanca-1
oraclegovcloud.com
    lfi:us-langley-1 luf:us-luke-1
oraclegovcloud.com
    ric:us-gov-ashburn-1 pia:us-gov-chicago-1 tus:us-gov-phoenix-1
oraclegovcloud.uk
    ltn:uk-gov-london-1 brs:uk-gov-cardiff-1
oraclecloud8.com
    nja:ap-chiyoda-1 ukb:ap-ibaraki-1
oraclecloud9.com
    mct:me-dcc-muscat-1 ibr:me-ibri-1
oraclecloud10.com
    wga:ap-dcc-canberra-1
oraclecloud14.com
    bgy:eu-dcc-milan-1 mxp:eu-dcc-milan-2 snn:eu-dcc-dublin-2 dtm:eu-dcc-rating-2
    dus:eu-dcc-rating-1 ork:eu-dcc-dublin-1
oraclecloud15.com
    dac:ap-dcc-gazipur-1
oraclecloud.eu
    vll:eu-madrid-2 str:eu-frankfurt-2
oraclecloud20.com
    beg:eu-jovanovac-1
oraclecloud21.com
    doh:me-dcc-doha-1 vve:me-alrayyan-1
oraclecloud23.com
    ebb:us-somerset-1 ebl:us-thames-1
oraclecloud24.com
    avz:eu-dcc-zurich-1 avf:eu-crissier-1
oraclecloud26.com
    ahu:me-abudhabi-3 rba:me-alain-1
oraclecloud29.com
    rkt:me-abudhabi-2 shj:me-abudhabi-4
oraclecloud35.com
    dtz:ap-seoul-2 dln:ap-suwon-1 bno:ap-chuncheon-2
oraclecloud42.com
    yxj:us-ashburn-2 pgc:us-newark-1
oraclecloud51.com
    jsk:eu-budapest-1
oraclecloud52.com
    hnw:sa-riodejaneiro-1
"""


@dataclass(frozen=True, slots=True)
class Region:
    """A region by its identifier (``us-ashburn-1``), key (``iad``) and domain (``oraclecloud.com``)."""

    id: str
    key: str
    domain: str

    @property
    def functions_url(self) -> str:
        """Where OCI Functions is managed."""
        return f"https://functions.{self.id}.oci.{self.domain}"

    @property
    def logging_url(self) -> str:
        """Where logs are searched."""
        return f"https://logging.{self.id}.oci.{self.domain}"

    @property
    def metrics_url(self) -> str:
        """Where metrics are read."""
        return f"https://telemetry.{self.id}.{self.domain}"

    @property
    def artifacts_url(self) -> str:
        """Where repositories of images are made."""
        return f"https://artifacts.{self.id}.oci.{self.domain}"

    @property
    def storage_url(self) -> str:
        """Where Object Storage is."""
        return f"https://objectstorage.{self.id}.{self.domain}"

    @property
    def auth_url(self) -> str:
        """Where an instance's certificate is exchanged for a token."""
        return f"https://auth.{self.id}.{self.domain}/v1/x509"

    @property
    def registries(self) -> tuple[str, ...]:
        """Hosts of this region's container registry."""
        return (f"{self.key}.ocir.io", f"{self.id}.ocir.io", f"ocir.{self.id}.oci.{self.domain}")


def _read_table() -> Iterator[Region]:
    domain = ""
    for line in _REALMS.split("\n"):
        if not line.startswith(" "):
            domain = line
            continue
        for each in line.split():
            key, _, name = each.partition(":")
            yield Region(name, key, domain)


_REGIONS = {region.id: region for region in _read_table()}
_SERVICE = re.compile(r"functions\.([a-z0-9-]+)\.")
_BY_KEY = {region.key: region for region in _REGIONS.values()}


def find_region(text: str, metadata: str = "", where: str = "") -> Region:
    """The region that ``text`` names, by identifier or key, in any case.

    ``metadata`` is the value of ``OCI_REGION_METADATA``: JSON of one region that is not in the table.
    ``where`` tells errors where the text is from.

    Raises:
        BadInput: none is known by it, or ``metadata`` cannot be read.
    """
    name = text.strip().lower()
    given = _given(metadata)
    if given is not None and name in (given.id, given.key):
        return given
    found = _REGIONS.get(name) or _BY_KEY.get(name)
    if found is None:
        close = difflib.get_close_matches(name, [*_REGIONS, *_BY_KEY], n=1, cutoff=0.75)
        near = f"did you mean {close[0]}? " if close else ""
        raise BadInput(
            f"{text!r} is not a region of OCI that is known here{f' (it is {where})' if where else ''}",
            hint=f"{near}One that is newer than this version of nbfn is reached by its address, `nbfn update "
            "context api-url https://functions.REGION.oci.oraclecloud.com`, or told by OCI_REGION_METADATA",
        )
    return found


def registry_region(host: str) -> str | None:
    """Identifier of the region whose registry ``host`` is, or None if it is no registry of OCI's."""
    for region in _REGIONS.values():
        if host.lower() in region.registries:
            return region.id
    return None


def region_of_service(host: str) -> str:
    """Identifier of the region whose OCI Functions ``host`` is; empty if it is none that is known here."""
    found = _SERVICE.match(host.lower())
    return found[1] if found and found[1] in _REGIONS else ""


def _given(metadata: str) -> Region | None:
    if not metadata.strip():
        return None
    try:
        told = json.loads(metadata)
        return Region(
            told["regionIdentifier"].lower(), told["regionKey"].lower(), told["realmDomainComponent"].lower()
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            "OCI_REGION_METADATA cannot be read",
            hint='give it as {"realmKey":…,"realmDomainComponent":…,"regionKey":…,"regionIdentifier":…}',
        ) from error
