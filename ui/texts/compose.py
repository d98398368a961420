"""Texts of the Compose tab, and of the cards to choose words from."""

TEXTS = {
    "cards_object": "thing",
    "cards_style": "style",
    "cards_other_model": "of another model: {model}",
    "cards_teach": "Teach a word",
    "cards_ready": "Try with ready-made words",
    "cards_ready_elsewhere": (
        "The ready-made words belong to the embedded model: choose toybox at the top of the page first."
    ),
    "cards_ready_nowhere": (
        "The ready-made words belong to the embedded model, which this server does not use: teach a word."
    ),
    "compose_choose": "Choose two to four of your words.",
    "compose_chosen": (
        "Words chosen: {count}. Choose one again to take it out. "
        "A weight above 1 brings a word out, one below holds it back."
    ),
    "compose_most": "{count} words are the most for one picture: take one out first.",
    "compose_few": (
        "Two words of the model in use can be put together, and you have {count}. "
        "Teach one from a few pictures first, or try with the ready-made ones."
    ),
    "compose_weight": "Weight of {token}",
    "compose_sentences": "Begin with",
    "compose_grid": "Grid over the weights",
    "compose_grid_info": (
        "When one word drowns another, this shows which weights let both be seen. "
        "All pictures have the same seed."
    ),
    "compose_weights_down": "Weights of {token}, downwards",
    "compose_weights_across": "Weights of {token}, across",
    "compose_grid_draw": "Draw the grid",
    "compose_bad_weights": "Write each list of weights as numbers between commas, such as 0.5, 1, 1.5.",
    "compose_grid_large": "The grid would have {count} pictures: give fewer weights, for {most} at most.",
    "compose_blend": "Blend of two words",
    "compose_blend_info": "A new word on the way from one of two chosen words to the other.",
    "compose_blend_two": "A blend takes two words: choose exactly two.",
    "compose_share": "From {first} (0) to {second} (1)",
    "compose_name": "Name of the blend",
    "compose_name_info": "What the blend is called in the pictures' recipes, and among your words.",
    "compose_blend_draw": "Draw the blend",
    "compose_keep": "Keep it as a word",
    "compose_kept": "{token} is one of your words now.",
}
