"""How command lines of the rows begin: right, but for what a row adds."""

Row = tuple[str, list[str], list[str]]  # the command, its command line, words of the line that answers it

A = ["experiment=shapes_autoencoder"]
D = ["experiment=shapes_latent_diffusion", "first_stage=identity"]
F = [*D, "data=image_folder"]
L = ["experiment=shapes_latent_diffusion"]  # with a first stage
G = ["generated=flat", "reference=flat", "extractor=squeezenet1_1", "extractor.weights=file"]
C = ["generated=flat", "training=flat", "held_out=kind", "extractor=squeezenet1_1", "extractor.weights=file"]
LONG = "a" * 300

# Tiny, in case a training should begin after all.
TINY = ["data.train_size=8", "data.validation_size=4", "trainer=cpu", "logger=csv", "max_steps=1"]
SMALL = [*A, *TINY, "autoencoder=kl_f8_small", "autoencoder.encoder.width=16", "autoencoder.decoder.width=16"]
FILES_ONLY = [*A, *TINY[2:], "data=image_folder"]
