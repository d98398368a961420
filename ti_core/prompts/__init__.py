"""Prompts as text: names, templates, grammar and checks. Nothing here loads a model."""
