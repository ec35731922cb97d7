"""Which way a metric is better, by its name: what picks the best of checkpoints or of settings asks here."""

_LESS = ("loss", "l1", "l2", "fd", "rfd", "fid", "rfid", "sfid", "kid", "cmmd", "lpips")
_MORE = (
    *("psnr", "ssim", "ms_ssim", "prompt_accuracy", "agreement", "clip_score"),
    *("precision", "recall", "density", "coverage", "inception_score"),
)


def less_is_better(metric: str) -> bool | None:
    """Of ``val/fd_pixels`` or ``fd_pixels``; None where the name does not tell."""
    name = metric.rpartition("/")[2]
    for words, answer in ((_LESS, True), (_MORE, False)):
        if any(name == word or name.startswith(f"{word}_") for word in words):
            return answer
    return None
