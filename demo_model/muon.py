"""Muon: momentum, orthogonalised, for the matrices of a network (https://kellerjordan.github.io/posts/muon)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration, which takes every singular value to about 1."""
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Every step moves a matrix along its momentum with all singular values made one, so that directions that
    the gradient seldom takes are learned as fast as the others.

    ``params`` have two dimensions or more; a convolution's kernel is a matrix of its output channels.
    ``lr`` is in units of AdamW's: an update's root mean square is ``0.2 * lr`` (arXiv 2502.16982), and weight
    decay is decoupled.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            gradients = [parameter.grad for parameter in parameters]
            for parameter in parameters:
                if not self.state[parameter]:
                    self.state[parameter]["momentum"] = torch.zeros_like(parameter)
            momenta = [self.state[parameter]["momentum"] for parameter in parameters]
            torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
            ahead = torch._foreach_lerp(gradients, momenta, group["momentum"])  # Nesterov's
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            alike = defaultdict(list)
            for parameter, momentum in zip(parameters, ahead, strict=True):
                matrix = momentum.bfloat16().flatten(1)
                alike[matrix.shape].append((parameter, matrix))
            for shape, pairs in alike.items():
                updates = orthogonalised(torch.stack([matrix for _, matrix in pairs]))
                scale = 0.2 * max(shape) ** 0.5
                for (parameter, _), update in zip(pairs, updates, strict=True):
                    parameter.add_(update.view(parameter.shape), alpha=-group["lr"] * scale)


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """The nearest matrices (k, m, n) whose singular values are all about one, by Newton and Schulz."""
    turned = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT.contiguous() if turned else matrices).bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if turned else x
