"""Used by what the SDK's own Python runs."""

from typing import Any

import oci


def refused(ask: Any, *args: Any, **kwargs: Any) -> list[object]:
    """The status and code of the service's refusal; empty if it did not refuse."""
    try:
        ask(*args, **kwargs)
    except oci.exceptions.ServiceError as error:
        return [error.status, error.code]
    return []
