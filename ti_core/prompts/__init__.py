"""Prompts as text: token names, templates, grammar and checks. Nothing here loads a model."""
