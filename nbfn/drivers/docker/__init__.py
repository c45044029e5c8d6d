"""The Docker driver: each instance a container, of Docker or of Podman behind Docker's API."""

from nbfn.drivers.docker.driver import DockerDriver

__all__ = ["DockerDriver"]
