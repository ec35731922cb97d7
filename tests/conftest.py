"""For all tests: nothing leaves this machine, and nothing is fetched."""

import os

# Before anything imports the libraries that read these; processes that tests start inherit them.
os.environ["WANDB_MODE"] = "offline"
os.environ["HF_HUB_OFFLINE"] = "1"
