"""The page: one Gradio app over ti_core, with a room for each tab and rooms for what the tabs share."""
