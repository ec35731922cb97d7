"""The other processes of a training: they join its run instead of beginning runs of their own."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist
from hydra.core.hydra_config import HydraConfig

from darkroom.runs.folder import Run

_OF_THE_GROUP = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")  # Lightning leaves them set


@contextmanager
def joined(run: Run) -> Iterator[None]:
    """Inside, this command line started once more goes on with ``run``, whatever was typed first.

    Lightning starts one process for each further device by ``sys.argv``. Typed words would make a run of another name
    (it holds the time), Hydra's rewritten ones would be rewritten again, and in a sweep both are those of every job:
    the run's config.yaml, which is complete by now, is none of that. Where Lightning sees Hydra it adds the folder in
    quotes that not every name survives, so it does not see it.

    On leaving, the group is dissolved: the next job of a sweep would wait for processes that have ended.
    """
    hydra = HydraConfig.instance()
    argv, config, environment = sys.argv, hydra.cfg, dict(os.environ)
    sys.argv, hydra.cfg = [argv[0], f"resume={run.path}"], None
    try:
        yield
    finally:
        sys.argv, hydra.cfg = argv, config
        for name in _OF_THE_GROUP:
            os.environ.pop(name, None)
        os.environ.update(environment)
        if dist.is_initialized():
            dist.destroy_process_group()
