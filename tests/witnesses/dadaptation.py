"""dadaptation, of the authors."""

from dadaptation import DAdaptAdam
from witnessing import Witness, torch_optimizer


def row(*, corrected, dialect=""):
    def factory(p, h):
        return DAdaptAdam(
            p,
            h["lr"],
            betas=(h["beta1"], h["beta2"]),
            eps=h["eps"],
            weight_decay=h["weight_decay"],
            decouple=True,
            use_bias_correction=corrected,
            d0=h["d0"],
        )

    return Witness("dadapt_adam", "dadaptation 3.2", torch_optimizer(factory), dialect=dialect)


WITNESSES = [row(corrected=False), row(corrected=True, dialect="corrected")]
