"""Pictures that processes of their own read: they import this file, and nothing that takes long."""

import logging
import os
import resource
import threading

import torch

from darkroom.data.decode import decode


class Pictures:
    """11 pictures of 2 x 2, each of the grey of its index; a class, so that it travels to workers."""

    def __call__(self, indices):
        return torch.tensor(indices, dtype=torch.uint8).view(-1, 1, 1, 1).repeat(1, 3, 2, 2)


class Unreadable:
    """Pictures of which one is not there; a class, so that it travels to workers."""

    def __call__(self, indices):
        if 3 in indices:
            decode("picture 3")
        return Pictures()(indices)


class Faulty:
    """A mistake of whoever wrote it; a class, so that it travels to workers."""

    def __call__(self, _):
        raise ValueError("operands do not go together")


class TooLarge:
    """Pictures of 16 kB, where files must stay smaller, those in shared memory too."""

    def __call__(self, indices):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, resource.RLIM_INFINITY))
        return torch.zeros(len(indices), 3, 64, 64, dtype=torch.uint8)


def answer(words):
    """An error that comes back as it is, as those of files do."""
    return FileNotFoundError(2, words, "file")


class Grouped:
    """Says whether this process is in the group of the one that made it."""

    def __init__(self):
        self.group = os.getpgrp()

    def __len__(self):
        return 1

    def __getitems__(self, visits):
        raise answer("with the group" if os.getpgrp() == self.group else "apart")


HELD = threading.Lock()


class Locking:
    """Says whether a lock of this module is held; a class, so that it travels to workers."""

    def __len__(self):
        return 1

    def __getitems__(self, visits):
        raise answer("held" if HELD.locked() else "free")


class Talking:
    """Pictures that say something at the second reading; a class, so that it travels to workers."""

    def __call__(self, indices):
        if 2 in indices:
            logging.getLogger("pictures").warning("skipped %s", "picture 2")
        return Pictures()(indices)
