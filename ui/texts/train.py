"""Texts of the Train tab."""

TEXTS = {
    "train_about": (
        "Give three to five pictures of one thing, or of one style. The model learns a word for it, which "
        "you can then use in any sentence."
    ),
    # Pictures
    "train_examples": "Try it with an example:",
    "train_example_monster": "A monster",
    "train_example_teapot": "A teapot",
    "train_example_cat": "A cat",
    "train_example_x-ray": "A style: x-ray",
    "train_put_back": "Back to your own pictures",
    "train_upload": "Pictures: drop them here, choose them, or paste one",
    "train_picture": "Picture {number} ({name})",
    "train_edit": "Crop, describe",
    "train_edit_named": "Crop or describe {name}",
    "train_remove": "Remove",
    "train_remove_named": "Remove {name}",
    "train_whole": "The whole picture; the bright part is kept",
    "train_kept": "What the model sees",
    "train_zoom": "Zoom",
    "train_across": "Left – right",
    "train_down": "Up – down",
    "train_caption": "Description (may stay empty)",
    "train_caption_info": (
        "What else is in this picture, such as “on a red sofa”: what you name, the word need not learn."
    ),
    "train_editor_close": "Done",
    "train_too_many": "No more than {limit} pictures can be used for one word; the rest were left out.",
    "train_too_large": "{name} is larger than {limit} MB: make it smaller in a picture editor.",
    "train_rejected": "Left out: {reason}",
    "train_same_as": "nearly the same as {name}: another view would teach more",
    "train_few": "So far: {count}. It will do, but three to five from different sides teach the word better.",
    "train_same_background": (
        "The edges of all pictures look alike. If that is the background, the word will learn it too: "
        "pictures in different places help."
    ),
    "train_no_pictures": "Add a picture first: three to five are best.",
    # Name, kind, initial word
    "train_token": "Name",
    "train_token_info": "What you will call it.",
    "train_name_becomes": "In your sentences it will be {token}.",
    "train_name_taken": "You have a word {token} already.",
    "train_name_taken_start": "You have a word {token} already: choose another name, such as {free}.",
    "train_name_in_training": "A word {token} is being learned already: choose another name, or wait for it.",
    "train_use_free": "Use {token}",
    "train_kind": "What is it?",
    "train_kind_info": "A style is how things are drawn, whatever they are.",
    "train_kind_object": "A thing",
    "train_kind_style": "A style",
    "train_initializer": "Initial word",
    "train_initializer_info": (
        "A known word to start from, such as “cat”. auto: the model finds the best one."
    ),
    "train_suggest": "Suggest one",
    "train_suggesting": "The model tries {count} known words on your pictures …",
    "train_suggested": "Of the words it knows, “{word}” describes your pictures best.",
    # Durations
    "train_preset": "How thoroughly?",
    "train_preset_info": "The times are measured on this machine; training often ends earlier by itself.",
    "train_preset_quick": "Quick",
    "train_preset_balanced": "Balanced",
    "train_preset_thorough": "Thorough",
    "train_preset_own": "Own settings",
    "train_preset_time": "{preset}: at most {time}",
    "train_time": "This takes at most {time} here ({steps} steps). You may close the page meanwhile.",
    "train_time_slices": (
        "At most {steps} steps. Keep this page open: closing it pauses the training, and Resume goes on "
        "from there."
    ),
    "train_left_at_most": ", at most {duration} left",
    "train_start": "Learn the word",
    "train_over_limit": "Others use this server too. {setting} is {value}: lower it to {most}, or less.",
    "train_step_rows": "Batch size × gradient accumulation",
    "train_model_loading": "The model is still being loaded. Try again in a moment.",
    # Settings
    "train_settings": "All settings",
    "train_vectors": "Vectors",
    "train_vectors_info": (
        "How many the word consists of. One bends to sentences best; more hold more detail."
    ),
    "train_steps": "Steps",
    "train_steps_info": "How many corrections the word gets at most.",
    "train_batch_size": "Batch size",
    "train_batch_size_info": (
        "Noisy views that one step looks at together. More are calmer, slower, and need memory."
    ),
    "train_gradient_accumulation": "Gradient accumulation",
    "train_gradient_accumulation_info": "Batches in one step: a larger batch that needs no more memory.",
    "train_learning_rate": "Learning rate",
    "train_learning_rate_info": "How far a step goes. 0: what suits the model.",
    "train_lr_schedule": "Learning rate over time",
    "train_lr_schedule_info": "Falling to zero lets the word settle at the end.",
    "train_lr_schedule_constant": "Constant",
    "train_lr_schedule_linear": "Falls in a line",
    "train_lr_schedule_cosine": "Falls as a cosine",
    "train_lr_warmup_steps": "Warm-up steps",
    "train_lr_warmup_steps_info": "Steps until the full learning rate is reached.",
    "train_max_grad_norm": "Largest gradient",
    "train_max_grad_norm_info": "A longer gradient is shortened to this norm. 0: never.",
    "train_norm_control": "Length of the vectors",
    "train_norm_control_info": "Each vector may grow, or keeps the mean length of known words.",
    "train_norm_control_free": "Free",
    "train_norm_control_fixed": "As known words",
    "train_snr_gamma": "Min-SNR gamma",
    "train_snr_gamma_info": ("Gives views with little noise less weight; 5 is usual. 0: all weigh the same."),
    "train_timestep_bias": "Timestep bias",
    "train_timestep_bias_info": (
        "-1 to 1: below 0 views with little noise count more, above 0 those with much. 0: the model's own."
    ),
    "train_flip": "Mirror images",
    "train_flip_info": "Learn from each picture mirrored too. Not for text or one-sided things.",
    "train_use_mask": "Respect transparency",
    "train_use_mask_info": "Transparent parts of pictures do not count.",
    "train_gradient_checkpointing": "Save memory",
    "train_gradient_checkpointing_info": "Gradient checkpointing: less memory, more time.",
    "train_stop": "End by itself",
    "train_stop_info": "When the loss on fixed views has levelled, or only after all steps.",
    "train_stop_auto": "When it has levelled",
    "train_stop_never": "After all steps",
    "train_stop_window": "Checks to compare",
    "train_stop_window_info": "How many of the last checks must be alike for it to end.",
    "train_stop_threshold": "How alike",
    "train_stop_threshold_info": "It ends when they vary by less than this share of all checks' variance.",
    "train_eval_every": "Check every … steps",
    "train_eval_every_info": "How often the loss on fixed views is measured; such steps can be kept later.",
    "train_eval_rows": "Views of a check",
    "train_eval_rows_info": "How many fixed noisy views. More measure better and take longer.",
    "train_preview_every": "Preview every … steps",
    "train_preview_every_info": "How often a picture is drawn to look at. 0: never.",
    "train_checkpoint_every": "Save every … steps",
    "train_checkpoint_every_info": "What a power cut may cost at most.",
    "train_seed": "Seed",
    "train_seed_info": "The same seed, pictures and settings give the same word again.",
    # A run
    "train_runs": "Your trainings",
    "train_new": "+ Learn a new word",
    "train_run_gone": "This training is no longer there. Load the page again.",
    "train_title": "Training of {token}",
    "train_progress": "Progress of the training",
    "train_phase_waiting": "Waiting for its turn",
    "train_phase_preparing": "Looking at the pictures and for a word to start from",
    "train_phase_training": "Step {step} of {steps}",
    "train_phase_stopping": "Stopping after this step; what was learned so far is kept",
    "train_phase_by_hand": "Stopped after step {step} of {steps}. It can be resumed from there.",
    "train_phase_levelled": "Finished after {step} steps: the loss on the fixed views had levelled.",
    "train_phase_steps": "Finished: all {steps} steps are done.",
    "train_phase_failed": "The training has failed. {reason}",
    "train_stop_now": "Stop",
    "train_resume": "Resume",
    "train_another": "Learn another word",
    "train_ends_auto": (
        "It ends when the loss on {rows} fixed views, measured every {every} steps, has levelled (the last "
        "{window} vary by less than {share:g} % of all), and after {steps} steps at the latest."
    ),
    "train_ends_never": "It ends after {steps} steps.",
    "train_companions": "Other words learned in the same batch, of anyone who trains here now: {count}.",
    "train_initial_found": "It started from “{word}”, the known word that describes the pictures best.",
    "train_initial_given": "It started from “{word}”.",
    "train_nearest": "Known words nearest to it: {words} (1 would be the same).",
    "train_real_pictures": "Your pictures",
    "train_previews": "What {token} draws after so many steps, always from seed {seed}",
    "train_previews_none": "The first picture comes at step {step}.",
    "train_no_preview": "Training went on without the preview of step {step}: {reason}",
    "train_preview_of": "Preview after {step} steps",
    # The chart
    "train_chart_title": "Loss over the steps",
    "train_chart_about": (
        "The evaluation loss began at {first:.4f} and is {last:.4f} after {step} steps; the lowest was "
        "{best:.4f} after {best_step}."
    ),
    "train_chart_point": "Step {step}: {loss:.4f}",
    "train_chart_steps": "Steps",
    "train_chart_loss": "Loss (lower is better)",
    "train_chart_evaluation": "on the same noisy views each time",
    "train_chart_raw": "of each step, mostly chance (not to scale)",
    # The result
    "train_in_library": "{token} is learned and among your words.",
    "train_not_in_library": "This word is not among your words (any more). “Use it” puts it back.",
    "train_use": "Use it in Generate",
    "train_download": "Download the word",
    "train_draw_evidence": "Draw the comparison",
    "train_evidence_real": "Your pictures",
    "train_evidence_initial": "The initial word",
    "train_evidence_learned": "The learned word",
    "train_evidence_scene": "In a new scene",
    "train_evidence_seed": "All drawn with seed {seed}, so what differs is the word's doing.",
    "train_loss_lower": (
        "Measured on {rows} noisy views of your pictures, the same each time: the model's error is "
        "{first:.4f} with “{word}” and {best:.4f} with the word after {step} steps, {percent:.1f} % lower. "
        "Lower means that the word describes your pictures better. How good new pictures are, only looking "
        "tells."
    ),
    "train_loss_not_lower": (
        "Measured on {rows} noisy views of your pictures, the same each time: the model's error is "
        "{first:.4f} with “{word}” and {best:.4f} with the word after {step} steps, not lower. So far the "
        "word describes your pictures no better than the one it started from; more steps or other pictures "
        "may help."
    ),
    "train_course": "How it learned",
    "train_saved_steps": "Keep an earlier step",
    "train_step": "Step",
    "train_step_info": (
        "Of the last steps, the best by the loss is chosen; an earlier one is often freer in new scenes."
    ),
    "train_step_facts": "After {step} steps: evaluation loss {loss:.4f}.",
    "train_step_no_preview": "No preview was drawn at this step.",
    "train_keep": "Keep this step",
    "train_kept_step": "{token} is now the word as it was after {step} steps.",
}
