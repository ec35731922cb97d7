"""For all tests: nothing leaves this machine, and nothing is fetched."""

import os

# Before anything imports the libraries that read these; processes that tests start inherit them.
os.environ["WANDB_MODE"] = "offline"
os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:  # beside another one: more threads than cores wait for each other
    os.environ["OMP_NUM_THREADS"] = "1"
