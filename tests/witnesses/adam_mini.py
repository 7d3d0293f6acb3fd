"""adam-mini, of the authors."""

from adam_mini import Adam_mini
from witnessing import Witness, torch_optimizer


def row(name, axes, shape):
    """A parameter whose name tells how it is cut into blocks."""

    def factory(parameters, h):
        return Adam_mini(
            [(name, p) for p in parameters],
            lr=h["lr"],
            betas=(h["beta1"], h["beta2"]),
            eps=h["eps"],
            weight_decay=h["weight_decay"],
            dim=4,
            n_heads=2,
            verbose=False,
        )

    return Witness(
        "adam_mini",
        "adam-mini 1.1.1, Adam_mini",
        torch_optimizer(factory),
        hyper={"axes": axes},
        shape=shape,
    )


WITNESSES = [
    row("mlp.weight", 1, (5, 3)),
    row("other.weight", 0, (5, 3)),
    row("q_proj.weight", 1, (2, 2, 4)),
]
