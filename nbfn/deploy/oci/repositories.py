"""The repository that an image is pushed to, made in the compartment that is named for images.

Without it OCI's registry makes one at the first push, in the root compartment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.errors import Conflict, NotFound

if TYPE_CHECKING:
    from nbfn.deploy.oci.api import Api

ARTIFACTS_VERSION = "20160918"
_PATH = "container/repositories"


def prepare_repository(api: Api, compartment_id: str, repository: str) -> bool:
    """Have the repository ``NAMESPACE/NAME`` there; True if it was made now, in ``compartment_id``.

    One of that name that is in another compartment stays where it is.

    Raises:
        NotFound: one may not make repositories there; the hint has the policy statement.
        TargetError: refused for another reason.
    """
    name = repository.partition("/")[2]
    body = {"compartmentId": compartment_id, "displayName": name, "isPublic": False}
    try:
        if next(iter(api.items(_PATH, compartmentId=compartment_id, displayName=name)), None):
            return False
        api.post(_PATH, body)
    except Conflict:
        return False
    except NotFound as error:
        raise NotFound(
            f"the repository {name!r} cannot be made in compartment {compartment_id}: {error.message}",
            hint=f"`Allow group … to manage repos in compartment id {compartment_id}`, or leave it to the "
            "registry: `nbfn update context oracle.image-compartment-id --delete`",
            status=error.status,
        ) from error
    return True
