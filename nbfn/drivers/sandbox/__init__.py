"""The sandbox driver: each instance a confined process, as far as this machine allows (T0, T1, T2)."""

from nbfn.drivers.sandbox.driver import SandboxDriver

__all__ = ["SandboxDriver"]
