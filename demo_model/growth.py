"""A deeper denoiser that draws as a shallower one did, so that what this has learned is not learned again."""

from __future__ import annotations

import re

import torch
from diffusers import UNet2DConditionModel


@torch.no_grad()
def grow(deep: UNet2DConditionModel, shallow: UNet2DConditionModel) -> None:
    """Make ``deep``, of two layers a block, predict what ``shallow`` of the same widths does, of one.

    The second layer of each block begins as the identity (after Net2Net, arXiv 1511.05641), and everything
    else is copied. Raises RuntimeError if the two differ in more.
    """
    placed = {
        re.sub(r"^(up_blocks\.\d+\.(resnets|attentions))\.1\.", r"\1.2.", name): value
        for name, value in shallow.state_dict().items()
    }
    deep.load_state_dict(deep.state_dict() | placed)
    for block in (*deep.down_blocks, *deep.up_blocks):
        resnet = block.resnets[1]
        silence(resnet.conv2)
        if resnet.conv_shortcut is not None:  # what came up goes on, what came across does not
            silence(resnet.conv_shortcut)
            torch.nn.init.dirac_(resnet.conv_shortcut.weight)
        if getattr(block, "attentions", None):
            silence(block.attentions[1].proj_out)


def silence(layer: torch.nn.Conv2d) -> None:
    torch.nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        torch.nn.init.zeros_(layer.bias)
