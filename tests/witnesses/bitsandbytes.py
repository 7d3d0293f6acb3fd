"""bitsandbytes: its functions in plain PyTorch, with float64 in place of float32.

They stand beside kernels for a GPU, and are read from the file of those: only they are run.
"""

import ast
import importlib.util
import math
from pathlib import Path
from typing import Optional

import numpy as np
import torch
from bitsandbytes.functional import create_dynamic_map
from witnessing import Witness

from goldstep.reference.iterations.dynamic8bit import BOOKS

PACKAGE = Path(importlib.util.find_spec("bitsandbytes").origin).parent
KERNELS = PACKAGE / "backends" / "triton" / "kernels_optim.py"
NAMES = (
    "_dequantize_blockwise_pytorch",
    "_quantize_blockwise_pytorch",
    "optimizer_update_8bit_blockwise_pytorch",
)


def functions():
    """The three functions, in float64, uncompiled."""
    tree = ast.parse(KERNELS.read_text(encoding="utf-8"))
    tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in NAMES]
    for node in tree.body:
        node.decorator_list = []
    text = ast.unparse(tree).replace("float32", "float64").replace(".float()", ".double()")
    text = text.replace("blocksize = 256", "blocksize = BLOCK")
    found = {"torch": torch, "math": math, "Optional": Optional}
    exec(text, found)  # noqa: S102 - what is installed, with another type
    return found


def code_book(*, signed):
    """Its code book, which it rounds to float32, as ours is before that."""
    book = create_dynamic_map(signed=signed).double().numpy()
    ours = np.array(BOOKS[int(signed)])
    assert np.abs(book - ours).max() <= 2.0**-24
    return torch.tensor(ours)


def made(name):
    def make(h, theta):
        run = functions()
        run["BLOCK"] = h["block_size"]
        p, blocks = torch.tensor(theta), -(-theta.size // h["block_size"])
        books = code_book(signed=True), code_book(signed=False)
        zero = [int((book == 0).nonzero()[0]) for book in books]
        codes = [torch.full(p.shape, z, dtype=torch.uint8) for z in zero]
        scales = [torch.zeros(blocks, dtype=torch.float64) for _ in books]
        t = 0

        def step(g):
            nonlocal t
            t += 1
            run[NAMES[2]](
                p,
                torch.tensor(g),
                codes[0],
                codes[1] if name == "adam" else None,
                h["beta1"],
                h["beta2"],
                0.0,
                0.0,
                h.get("eps", 0.0),
                t,
                h["lr"],
                books[0],
                books[1] if name == "adam" else None,
                scales[0],
                scales[1] if name == "adam" else None,
                h.get("weight_decay", 0.0),
                1.0,
                False,  # noqa: FBT003
                optimizer_name=name,
            )
            return p.numpy().copy()

        return step

    return make


WHAT = "bitsandbytes 0.50.2, optimizer_update_8bit_blockwise_pytorch"
WITNESSES = [Witness("adam8bit", WHAT, made("adam")), Witness("lion8bit", WHAT, made("lion"))]
