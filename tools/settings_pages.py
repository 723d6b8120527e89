"""`python -m tools.settings_pages` writes what is made from the settings: stacks/schema.json and docs/settings.md."""

from __future__ import annotations

from pathlib import Path

from core.settings import manual, schema

ROOT = Path(__file__).resolve().parents[1]
PATH = ROOT / "stacks" / "schema.json"
PAGE = ROOT / "docs" / "settings.md"


def main() -> None:
    """Write both; a test says when one is no longer current."""
    PATH.write_text(schema.document(), encoding="utf-8")
    PAGE.write_text(manual.page(), encoding="utf-8")


if __name__ == "__main__":
    main()
