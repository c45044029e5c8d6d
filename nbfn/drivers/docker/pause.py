"""The smallest program that a container can be kept by: it waits, and does nothing else."""

from __future__ import annotations

import io
import struct
import tarfile

PROGRAM = "/pause"
MACHINES = ("x86_64", "amd64")
"""What it can run on, as daemons name them."""

# for (;;) pause();
_CODE = bytes.fromhex(
    "b822000000"  # mov eax, 34
    "0f05"  # syscall
    "ebf7"  # jmp to the beginning
)
_ADDRESS = 0x400000
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")


def executable() -> bytes:
    """An ELF file for 64-bit x86: its headers, one segment, and three instructions."""
    start = _HEADER.size + _SEGMENT.size
    size = start + len(_CODE)
    header = _HEADER.pack(
        b"\x7fELF\x02\x01\x01", 2, 62, 1, _ADDRESS + start, _HEADER.size, 0, 0, _HEADER.size, _SEGMENT.size,
        1, 0, 0, 0,
    )  # fmt: skip
    segment = _SEGMENT.pack(1, 5, 0, _ADDRESS, _ADDRESS, size, size, 0x1000)
    return header + segment + _CODE


def root() -> bytes:
    """A tar of the whole root of an image with it."""
    data = executable()
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            member = tarfile.TarInfo(PROGRAM.lstrip("/"))
            member.mode, member.size = 0o755, len(data)
            tar.addfile(member, io.BytesIO(data))
        return file.getvalue()
