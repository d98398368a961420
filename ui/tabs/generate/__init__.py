"""The Generate tab, which draws with learned words."""
