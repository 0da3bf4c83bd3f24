"""Keeps memory that the process freed, instead of giving it back to the system and asking anew."""

import ctypes
import sys

import jax

# Of glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed() -> None:
    """Lets glibc's malloc keep what is freed, for the rest of the process; nothing elsewhere.

    On a CPU, XLA takes the temporary memory of a program from malloc at every call and frees it at
    its end. By default malloc maps such large blocks one by one and unmaps them again, and the
    system clears each page when it is touched anew: a seventh of a training step's time. Kept, the
    pages are cleared once, and the process stays as large as it was at its largest.

    Large blocks come from the heap (`M_MMAP_MAX` of 0), and the heap never shrinks
    (`M_TRIM_THRESHOLD` of -1). Only the main thread's heap holds blocks of any size, so JAX is told
    to run programs from the thread that calls them. One heap for all threads would do as well, were
    it not for compiling: what LLVM leaves there in pieces makes every later allocation search, for
    a third of a step. It belongs to a command's beginning.

    Reference: `mallopt(3)` in the Linux manual.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    # Other C libraries give the numbers another meaning, or have no such function.
    if not hasattr(libc, "gnu_get_libc_version"):
        return
    for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1)):
        libc.mallopt(parameter, value)
    jax.config.update("jax_cpu_enable_async_dispatch", False)
