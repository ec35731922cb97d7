"""Which averages snapshots hold, and which can be made of them. Standard library only: commands ask before torch."""

WIDTHS = (0.05, 0.1)  # EDM2's
NARROWEST, WIDEST = 0.02, 0.25  # of what many snapshots of these make
