"""Texts of the header and the tabs, and of errors that can occur anywhere."""

TEXTS = {
    "frame_tagline": "Teach a picture model one new word from a few pictures.",
    "frame_model": "Base model",
    "frame_model_other": (
        "Another: choose it, or type a folder, a checkpoint file, or owner/name of the Hugging Face Hub "
        "(also owner/name@revision and owner/name:variant)."
    ),
    "frame_model_toybox": "toybox: small, embedded",
    "frame_model_sd15": "sd15: Stable Diffusion 1.5",
    "frame_model_sd21-base": "sd21-base: Stable Diffusion 2.1, 512 px",
    "frame_model_sd21": "sd21: Stable Diffusion 2.1, 768 px",
    "frame_model_sdxl": "sdxl: Stable Diffusion XL",
    "frame_model_waifu": "waifu: Waifu Diffusion (anime)",
    "frame_model_acertainthing": "acertainthing: ACertainThing (anime)",
    "frame_model_cool-japan": "cool-japan: Cool Japan Diffusion 2.1.2",
    "frame_model_facts": "{resolution} px, {parameters:.0f} million parameters, licence: {licence}.",
    "frame_model_download": "It is not on this computer yet and is downloaded first.",
    "frame_model_fetching": "{model} is being downloaded: {done:.2f} of {total:.2f} GB.",
    "frame_model_load": "Load",
    "frame_model_cancel": "Cancel loading",
    "frame_model_loading": "{model} is being loaded …",
    "frame_model_ready": "{model} is ready on {device}.",
    "frame_model_failed": "{model} was not loaded. {reason}",
    "frame_model_none": "No model is loaded: choose one and press Load.",
    "frame_model_fits": "The weights of {model} need {need:.1f} GB of memory; {have:.1f} GB are free here.",
    "frame_model_too_large": (
        "The weights of {model} need {need:.1f} GB of memory, and only {have:.1f} GB are free here."
    ),
    "frame_model_unknown_size": ("How much memory {model} needs is not known here; {have:.1f} GB are free."),
    "frame_model_fixed": "This server uses one model for everyone.",
    "frame_model_busy": "Words are being learned on this model ({count}): wait, or stop them first.",
    "frame_tab_train": "Train",
    "frame_tab_generate": "Generate",
    "frame_tab_compose": "Compose",
    "frame_tab_style": "Style",
    "frame_error": "That did not work",
    "frame_warning": "Please note",
    "frame_info": "Done",
    "frame_sorry": "Sorry, something unexpected went wrong. It is in the server's log as {id}.",
    "frame_no_cookie": (
        "This page keeps your words apart from other people's by a cookie, and your browser sent none: "
        "allow cookies for this page and load it again."
    ),
    "frame_queue_full": "The queue is full: {waiting} waiting. Try again in a moment.",
    "frame_queue_full_for": "The queue is full: {waiting} waiting, about {duration} in all. Try again then.",
    "frame_too_many_jobs": (
        "No other word can be learned now: {count} being learned. Try again when one has finished."
    ),
    "frame_too_many_jobs_for": (
        "No other word can be learned now: {count} being learned. Try again when one has finished, "
        "in about {duration} at most."
    ),
    "frame_no_job": "There is no such training: give the job that /train returned.",
    "frame_not_uploaded": "A picture must be uploaded: give it with handle_file(path).",
    "frame_hours": "{hours:.1f} h",
    "frame_minutes": "{minutes:.0f} min",
    "frame_seconds": "{seconds:.0f} s",
}
