"""The tab that draws with learned words."""
