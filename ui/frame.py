"""The frame: components that more than one part of the page reads or changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import gradio as gr

TabName = Literal["train", "generate", "compose", "style"]
TAB_NAMES: tuple[TabName, ...] = ("train", "generate", "compose", "style")


@dataclass(frozen=True)
class Frame:
    """The shared components. ``tab`` is the name of the open tab.

    The prompts and the picture of the Style tab are created before the tabs, which ``render()`` them.
    """

    demo: gr.Blocks
    tabs: gr.Tabs
    tab: gr.State
    words_changed: gr.State
    """A number: whatever changes a visitor's words adds one, and everything that lists them follows."""
    generate_prompt: gr.Textbox
    compose_prompt: gr.Textbox
    style_subjects: gr.Textbox
    style_picture: gr.Image

    @property
    def prompts(self) -> dict[TabName, gr.Textbox]:
        """The text box of each tab that takes a word's token."""
        return {
            "generate": self.generate_prompt,
            "compose": self.compose_prompt,
            "style": self.style_subjects,
        }
