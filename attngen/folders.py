"""Where attngen keeps what it has computed before: parser tables, templates, generated modules, libraries."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """$ATTNGEN_CACHE, or the user's cache folder for attngen."""
    given = os.environ.get("ATTNGEN_CACHE")
    return Path(given) if given else user_cache_path("attngen")
