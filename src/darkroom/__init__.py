"""darkroom: train autoencoders and latent diffusion models. docs/concepts.md says how the house is laid out."""

__version__ = "0.1.0"
