"""What a tab is given of the page around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import gradio as gr

TabName = Literal["train", "generate", "compose", "style"]
TAB_NAMES: tuple[TabName, ...] = ("train", "generate", "compose", "style")


@dataclass(frozen=True)
class Frame:
    """Components that several parts of the page read or write.

    The prompts and the style's picture are made before their tabs, which place them with ``render()``.
    """

    demo: gr.Blocks
    tabs: gr.Tabs
    tab: gr.State
    """The name of the open tab."""
    words_changed: gr.State
    """A number: whoever changes a person's words adds one, and everything that lists them follows."""
    generate_prompt: gr.Textbox
    compose_prompt: gr.Textbox
    style_subjects: gr.Textbox
    style_picture: gr.Image

    @property
    def prompts(self) -> dict[TabName, gr.Textbox]:
        """The text into which each tab takes a token."""
        return {
            "generate": self.generate_prompt,
            "compose": self.compose_prompt,
            "style": self.style_subjects,
        }
