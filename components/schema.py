"""`python -m components.schema` writes stacks/schema.json, which editors check stack files with."""

from __future__ import annotations

from components.archive import ROOT
from core.settings.schema import document

PATH = ROOT / "stacks" / "schema.json"


def main() -> None:
    """Write the schema; a test says when it is no longer current."""
    PATH.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
