"""A cable that is slow: frames of one network interface leave by another, a while later. Both ways.

Not every kernel has netem (`tc qdisc add … netem delay`); sockets of packets every Linux has.
`python slow.py plain INTERFACE` has the kernel finish each frame before it sends it there;
`… delay SECONDS LEFT RIGHT` carries until it is told to end.
"""

from __future__ import annotations

import ctypes
import fcntl
import select
import socket
import struct
import sys
import time
from collections import deque

ALL_PROTOCOLS, OUTGOING, LONGEST = 0x0003, 4, 65_536
"""ETH_P_ALL and PACKET_OUTGOING of linux/if_packet.h, and more than a frame is long."""

_SET_OFFLOAD = 0x8946  # SIOCETHTOOL
_OFFLOADS = (
    0x17,
    0x19,
    0x1F,
    0x24,
)  # checksums, scatter, segments of TCP and of all: linux/ethtool.h


def finish_frames(interface: str) -> None:
    """Leave no checksum and no cutting into segments to a network card that there is not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for offload in _OFFLOADS:
            off = bytearray(struct.pack("II", offload, 0))
            # The structure has a pointer to the value.
            address = ctypes.addressof(ctypes.c_char.from_buffer(off))
            request = struct.pack("16sP16x", interface.encode(), address)
            fcntl.ioctl(any_socket, _SET_OFFLOAD, request)


def carry(delay_s: float, left: str, right: str) -> None:
    """Carry frames from each of the two to the other, each this much later, for ever."""
    ends = [_open(left), _open(right)]
    other = dict(zip(ends, reversed(ends), strict=True))
    waiting: deque[tuple[float, socket.socket, bytes]] = deque()
    while True:
        timeout = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for end in select.select(ends, [], [], timeout)[0]:
            frame, address = end.recvfrom(LONGEST)
            if address[2] != OUTGOING:
                waiting.append((time.monotonic() + delay_s, other[end], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, end, frame = waiting.popleft()
            end.send(frame)


def _open(interface: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    made.bind((interface, 0))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
    return made


if __name__ == "__main__":
    if sys.argv[1] == "plain":
        finish_frames(sys.argv[2])
    else:
        carry(float(sys.argv[2]), *sys.argv[3:5])
