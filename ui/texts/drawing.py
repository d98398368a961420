"""Texts that the drawing tabs share."""

TEXTS = {
    "drawing_draw": "Draw",
    "drawing_cancel": "Cancel",
    "drawing_loading": "The model is being loaded; drawing begins right after.",
    "drawing_waiting": "Waiting for the device: place {place} in the queue",
    "drawing_begins": "Drawing begins.",
    "drawing_now": "Drawing: step {done} of {total}",
    "drawing_left": ", about {duration} left",
    "drawing_done": "{count} drawn.",
    "drawing_stopped": "Stopped; {count} drawn.",
    "drawing_hidden": (
        "The model's safety checker hid the pictures of these seeds: {seeds}. "
        "Try other seeds, or other words."
    ),
    "drawing_caption": "seed {seed}",
    "drawing_pictures": "Pictures",
    "drawing_prompt": "Prompt",
    "drawing_prompt_info": (
        "What the picture shows, in English. (word:1.3) counts a word more, (word:0.7) less."
    ),
    "drawing_prompt_placeholder": "a monster on the beach",
    "drawing_your_words": "Your words",
    "drawing_tab_completes": "Tab completes",
    "drawing_no_word": "You have no word {token}: teach it, or remove it.",
    "drawing_no_word_but": "You have no word {token}: use {closest}, teach it, or remove it.",
    "drawing_use": "Use {token}",
    "drawing_remove": "Remove it",
    "drawing_tokens": "{count} of {most} tokens",
    "drawing_chunks": "{count} tokens: read in {chunks} parts of up to {most}",
    "drawing_more": "More settings",
    "drawing_negative": "Negative prompt",
    "drawing_negative_info": "What should not be in the picture.",
    "drawing_count": "Pictures",
    "drawing_steps": "Steps",
    "drawing_steps_info": "More are slower and finer; 25 is enough for most.",
    "drawing_guidance": "Guidance scale",
    "drawing_guidance_info": "How strictly the prompt is followed. 0: the model's own best.",
    "drawing_seed": "Seed",
    "drawing_seed_info": "The same seed draws the same picture again.",
    "drawing_new_seed": "New seed",
    "drawing_width": "Width (px)",
    "drawing_height": "Height (px)",
    "drawing_size_info": "0: the model's own.",
    "drawing_scheduler": "Sampler",
    "drawing_own_scheduler": "The model's own best",
    "drawing_examples": "Examples",
}
