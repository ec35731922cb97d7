"""The C library's memory, told to keep what is freed: a training step asks for the same blocks again and again."""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # glibc's malloc.h


def keep_freed_memory() -> None:
    """On Linux with glibc, has large blocks come from the heap and stay in the process; elsewhere does nothing.

    By default glibc maps large blocks anew and gives them back when they are freed, and each first touch of a page is a
    fault. Seen once, on one busy core: an eager training step of a small DiT took 0.27 s in place of 0.29.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)  # an int: as much as can be said
    libc.mallopt(_M_TOP_PAD, 64 * 2**20)
