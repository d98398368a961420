"""The page: one Gradio app over ti_core, a file for each tab and what the tabs share."""
