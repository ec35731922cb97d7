"""The judge of shapes, examined: how often it accepts pictures that it must accept, and others that it must refuse.

python benchmarks/judge.py [--n 2000] [--max-shapes 2] [--resolution 64] [--seed 0] [--first-stage RUN]

Prints a table of rates with the limits they are held to. "reconstructed" are the pictures through the first stage of a
run where one is given, else under an imitation of one (blur, ringing, a shift of colour, smooth noise).
"""

import argparse
import time
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from darkroom.contracts import to_float, to_uint8
from darkroom.data.shapes import trials
from darkroom.data.shapes.agreement import agrees
from darkroom.data.shapes.judge import HASH, VERSION, read
from darkroom.data.shapes.trials import Trial


def accepted(*captioned: Trial) -> float:
    """Share of pictures that the judge accepts under at least one of the captions; all trials share the pictures."""
    readings = read(captioned[0].pictures)
    agreed = [[agrees(*row) for row in zip(readings, trial.requirements, strict=True)] for trial in captioned]
    return sum(map(any, zip(*agreed, strict=True))) / len(readings)


def through(first_stage: Path, pictures: UInt8[Tensor, "n 3 side side"]) -> UInt8[Tensor, "n 3 side side"]:
    """The pictures encoded to the posterior's mean and decoded again."""
    from darkroom.autoencoding.first_stage import load_artifact  # late: not needed without a run

    stage = load_artifact(first_stage)
    with torch.inference_mode():
        return torch.cat([to_uint8(stage.decode(stage.encode(to_float(part)).mean)) for part in pictures.split(100)])


def psnr(first: UInt8[Tensor, "n 3 side side"], second: UInt8[Tensor, "n 3 side side"]) -> float:
    """Mean over pictures, in dB."""
    error = ((first.double() - second.double()) / 255).square().mean(dim=(1, 2, 3))
    return (-10 * torch.log10(error)).mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000, help="pictures of each kind")
    parser.add_argument("--max-shapes", type=int, default=2)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first-stage", type=Path, help="a run of an autoencoder")
    args = parser.parse_args()
    scenes, own = trials.draw(args.n, max_shapes=args.max_shapes, seed=args.seed)
    real = trials.real(scenes, args.resolution)
    rebuilt = through(args.first_stage, real.pictures) if args.first_stage else trials.reconstructed(real.pictures, own)
    reconstructed = Trial(rebuilt, real.requirements)
    wrong = trials.exchanged(real.requirements, own)
    plenty, _ = trials.draw(3 * args.n, max_shapes=args.max_shapes, seed=args.seed + 1)
    several = plenty[(plenty.content.count > 1).nonzero()[0][: args.n]]
    many, few = trials.miscounted(several, args.resolution)
    halves = trials.half_and_half(scenes, own, args.resolution)
    print(f"{VERSION} ({HASH[:12]}), {args.resolution} px, up to {args.max_shapes} shapes")
    print(f"reconstructions of {psnr(real.pictures, rebuilt):.2f} dB")
    rows = {
        "real": ((real,), ">= 0.99"),
        "reconstructed": ((reconstructed,), ">= 0.98"),
        "one word exchanged": ((Trial(real.pictures, wrong),), "<= 0.01"),
        "one word exchanged, reconstructed": ((Trial(rebuilt, wrong),), "<= 0.01"),
        "a shape too many": ((many,), "<= 0.01"),
        "a shape too few": ((few,), "<= 0.01"),
        "even blends": (trials.blended(real), "<= 0.01"),
        "even blends of reconstructions": (trials.blended(reconstructed), "<= 0.01"),
        "half one kind, half another": (halves, "<= 0.01"),
        "half one colour, half another": (trials.two_coloured(scenes, own, args.resolution), "<= 0.01"),
    }
    for name, (captioned, limit) in rows.items():
        start = time.process_time()
        rate = accepted(*captioned)
        cost = 1e3 * (time.process_time() - start) / len(captioned[0].pictures)
        print(f"{name:35s} n={len(captioned[0].pictures):5d}  accepted {rate:.4f}  ({limit})  {cost:.1f} ms a picture")


if __name__ == "__main__":
    main()
