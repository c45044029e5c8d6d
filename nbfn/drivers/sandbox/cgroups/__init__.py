"""Control groups: limits on an instance that the kernel keeps, where this user may make groups.

Version 1 (``memory`` and ``pids`` hierarchies) and version 2. One group an instance, in a folder of
the executor's below the group that it runs in itself, so that limits above it go on to hold; in version 2,
where others are in that group too, below the nearest one above it that lets it.
"""

from nbfn.drivers.sandbox.cgroups.group import Group
from nbfn.drivers.sandbox.cgroups.groups import Groups, Unavailable

__all__ = ["Group", "Groups", "Unavailable"]
