"""prodigyopt, of the authors."""

from prodigyopt import Prodigy
from witnessing import Witness, torch_optimizer


def row(*, corrected, dialect=""):
    def factory(p, h):
        return Prodigy(
            p,
            h["lr"],
            betas=(h["beta1"], h["beta2"]),
            eps=h["eps"],
            weight_decay=h["weight_decay"],
            use_bias_correction=corrected,
            d0=h["d0"],
            d_coef=h["d_coef"],
        )

    return Witness("prodigy", "prodigyopt 1.1.2", torch_optimizer(factory), dialect=dialect)


WITNESSES = [row(corrected=False), row(corrected=True, dialect="corrected")]
