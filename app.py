"""Start the page: ``python app.py``; ``--help`` lists what can be set.

This is the file that a Hugging Face Space runs; elsewhere ``one-word page`` does the same.
"""

from __future__ import annotations

import os
from pathlib import Path

from ui.launch import DATA_VARIABLE, main

if __name__ == "__main__":
    # Keep the data in the program's own folder, whatever the working directory is.
    os.environ.setdefault(DATA_VARIABLE, str(Path(__file__).resolve().parent / "outputs" / "page"))
    main()
