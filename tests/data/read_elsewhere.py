"""Pictures that processes of their own read: they import this file, and nothing that takes long."""

import logging
import os
import threading

import torch


class Pictures:
    """11 pictures of 2 x 2, each of the grey of its index; a class, so that it travels to workers."""

    def __call__(self, indices):
        return torch.tensor(indices, dtype=torch.uint8).view(-1, 1, 1, 1).repeat(1, 3, 2, 2)


class Unreadable:
    """Pictures of which one is not there; a class, so that it travels to workers."""

    def __call__(self, indices):
        if 3 in indices:
            raise ValueError("data.root=there: picture 3 cannot be read")
        return Pictures()(indices)


class Grouped:
    """Says whether this process is in the group of the one that made it."""

    def __init__(self):
        self.group = os.getpgrp()

    def __len__(self):
        return 1

    def __getitems__(self, visits):
        raise ValueError("with the group" if os.getpgrp() == self.group else "apart")


HELD = threading.Lock()


class Locking:
    """Says whether a lock of this module is held; a class, so that it travels to workers."""

    def __len__(self):
        return 1

    def __getitems__(self, visits):
        raise ValueError("held" if HELD.locked() else "free")


class Talking:
    """Pictures that say something at the second reading; a class, so that it travels to workers."""

    def __call__(self, indices):
        if 2 in indices:
            logging.getLogger("pictures").warning("skipped %s", "picture 2")
        return Pictures()(indices)
