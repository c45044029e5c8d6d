"""What instances of one function are made from. Anything that differs makes new instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbfn.executor.revisions import pinned
from nbfn.spec import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.executor.objects import App, Fn
    from nbfn.spec import ImageRef

NETWORK = "NBFN_NETWORK"


@dataclass(frozen=True, slots=True)
class Revision:
    """A function as instances run it. Equal revisions may share instances."""

    fn_id: str
    fn_name: str
    app_name: str
    image: ImageRef
    limits: Limits
    env: Mapping[str, str] = field(repr=False, default_factory=dict)
    network: bool = True
    """Whether it may reach anything: ``NBFN_NETWORK=none`` in the configuration says no."""
    syslog_url: str = field(default="", compare=False)
    """Where its output goes; instances need not know."""


def revision_of(app: App, fn: Fn, digest: str = "") -> Revision:
    """What ``fn`` of ``app`` runs: the application's config under the function's, the image by ``digest``."""
    image = pinned(fn.image, digest)
    env = {
        **app.config,
        **fn.config,
        "FN_APP_ID": app.id,
        "FN_APP_NAME": app.name,
        "FN_FN_ID": fn.id,
        "FN_FN_NAME": fn.name,
        "FN_MEMORY": str(fn.memory),
        "FN_TYPE": "sync",
        "FN_FORMAT": "http-stream",
    }
    limits = Limits(fn.memory, fn.timeout, fn.idle_timeout)
    network = env.get(NETWORK) != "none"
    return Revision(fn.id, fn.name, app.name, image, limits, env, network, app.syslog_url)
