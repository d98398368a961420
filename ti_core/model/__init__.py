"""The frozen base model: the presets, downloading, loading, and the one class that everything else calls."""
