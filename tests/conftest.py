"""For all tests: Weights & Biases keeps to this machine."""

import os

os.environ["WANDB_MODE"] = "offline"  # before anything imports wandb; processes that tests start inherit it
