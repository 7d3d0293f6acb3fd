"""Optimizers that run on several processes, some of them wrongly, each one recorded.

python sharded_runs.py FOLDER WORLD RANK
"""

import sys

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from goldstep.oracle import record


def adamw(folder, rank, world, *, miscounted=False):
    """AdamW on parameters that are spread over the processes."""
    net = torch.nn.Sequential(torch.nn.Linear(6, 7), torch.nn.Tanh(), torch.nn.Linear(7, 8))
    mesh = init_device_mesh("cpu", (world,))
    for layer in (net[0], net[2], net):
        fully_shard(layer, mesh=mesh)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    with record.torch(optimizer, folder, net.named_parameters()):
        for number in range(1, 5):
            optimizer.zero_grad()
            net(torch.randn(8, 6)).square().mean().backward()
            if miscounted and number == 3 and rank == 1:
                for p in net.parameters():
                    optimizer.state[p]["step"] += 1
            optimizer.step()


class Muon(torch.optim.Optimizer):
    """Muon on matrices whose rows are spread; `alone`, it orthogonalises only what is here."""

    def __init__(self, params, *, alone):
        super().__init__(params, {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.0, "steps": 5})
        self.alone = alone

    @torch.no_grad()
    def step(self):
        for p in (p for group in self.param_groups for p in group["params"]):
            m = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
            m.lerp_(p.grad, 0.05)
            u = p.grad.lerp(m, 0.95)
            if self.alone:
                p.sub_(0.02 * orthogonal(u))
                continue
            parts = [torch.empty_like(u) for _ in range(dist.get_world_size())]
            dist.all_gather(parts, u)
            p.sub_(0.02 * orthogonal(torch.cat(parts)).chunk(len(parts))[dist.get_rank()])


def orthogonal(u):
    tall = u.shape[0] > u.shape[1]
    x = u.T if tall else u
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return max(1, u.shape[0] / u.shape[1]) ** 0.5 * (x.T if tall else x)


def muon(folder, rank, world, *, alone):
    rows = 8 // world
    p = torch.nn.Parameter(torch.randn(8, 6).split(rows)[rank].clone())
    places = {"w": ((8, 6), (rank * rows, 0))}
    optimizer = Muon([p], alone=alone)
    with record.torch(optimizer, folder, [("w", p)], places=places):
        for _ in range(3):
            p.grad = torch.randn(8, 6).split(rows)[rank].clone()
            optimizer.step()


def copies(folder, rank, world):  # noqa: ARG001
    """Adam on copies; in the third step one process has a gradient of its own."""
    net = torch.nn.Linear(4, 3)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    with record.torch(optimizer, folder, net.named_parameters()):
        for number in range(1, 5):
            optimizer.zero_grad()
            net(torch.randn(8, 4)).square().mean().backward()
            if number == 3 and rank == 1:
                net.weight.grad[0, 0] += 1
            optimizer.step()


def main(folder, world, rank):
    torch.set_num_threads(1)
    meet = f"file://{folder}/meet"
    dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=world)
    torch.manual_seed(0)
    adamw(f"{folder}/adamw", rank, world)
    adamw(f"{folder}/miscounted", rank, world, miscounted=True)
    muon(f"{folder}/muon", rank, world, alone=False)
    muon(f"{folder}/muon-alone", rank, world, alone=True)
    copies(f"{folder}/copies", rank, world)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
