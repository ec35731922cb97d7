"""The type checker that all tests run under: beartype, to which a whole number is a float too, as PEP 484 has it.

Hydra reads ``guidance_scale=1`` as a whole number, and whoever declares a float means that it may be one.
"""

from beartype import BeartypeConf, beartype

typechecked = beartype(conf=BeartypeConf(is_pep484_tower=True))
