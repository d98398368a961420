"""Texts about the Hugging Face Hub: publishing words, and finding those of others."""

TEXTS = {
    "hub_publish_title": "Publish on the Hub",
    "hub_publish_about": (
        "Makes a repository on Hugging Face that diffusers, stable-diffusion-webui and this program can "
        "read. It holds the word, how it was learned, and pictures drawn to compare, if there are any."
    ),
    "hub_name": "Repository",
    "hub_name_info": "owner/name; your own name comes before the slash.",
    "hub_private": "Private",
    "hub_private_info": "Only you can see it.",
    "hub_pictures": "Also my training pictures",
    "hub_pictures_info": "Without this, your pictures stay here.",
    "hub_publish": "Publish",
    "hub_who": "You are {name} on Hugging Face.",
    "hub_login_machine": (
        "To publish, log in to Hugging Face: run `hf auth login` in a terminal on this machine, then open "
        "this part again."
    ),
    "hub_login_space": "To publish, sign in with Hugging Face first, with the button below.",
    "hub_login_nowhere": (
        "Nobody can sign in on this server. Download the word, and publish it from your own machine."
    ),
    "hub_publishing": "Publishing…",
    "hub_published": "{token} is published:",
    "hub_was_there": "{token} was there already, just as it is here:",
    "hub_keeps_card": "Its README.md was edited there and stays as it is; delete it there to get a new one.",
    "hub_browse_title": "Words on the Hub",
    "hub_browse_about": "Words that others have published. Add one, then use it like your own.",
    "hub_query": "Name",
    "hub_query_what": "Part of the name",
    "hub_author": "Author",
    "hub_author_what": "Anyone",
    "hub_base": "Base model",
    "hub_base_info": "Choose one, or write owner/name. A word works only with its own kind of model.",
    "hub_base_any": "Any",
    "hub_search": "Search",
    "hub_searching": "Searching the Hub…",
    "hub_none_found": "No word was found. Try a shorter name, or any base model.",
    "hub_found": "Words found: {count}, most used first.",
    "hub_found_more": "The {count} most used words are shown.",
    "hub_more": "Show more",
    "hub_base_unknown": "base model unknown",
    "hub_downloads": "downloads: {count}",
    "hub_add": "Add to my words",
    "hub_add_named": "Add {name} to my words",
    "hub_look_named": "Look at {name} on the Hub",
    "hub_adding": "Fetching {name}…",
    "hub_added": "{token} is one of your words now, for {model}.",
    "hub_guessed": (
        "{token} is one of your words now. Its repository names no base model; {model} is a guess by its "
        "size."
    ),
}
