"""What is asked of features before a number is made of them."""

from jaxtyping import Float
from torch import Tensor


def require_finite(*sets: Float[Tensor, "_ _"]) -> None:
    """Raises ValueError where a feature is NaN or infinite: of most metrics the number would not tell."""
    for rows in sets:
        bad = int((~rows.isfinite().all(dim=1)).sum())
        if bad:
            raise ValueError(
                f"{bad} of {len(rows)} rows of features are not finite; look at the pictures and the extractor"
            )
