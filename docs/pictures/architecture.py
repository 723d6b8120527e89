"""The architecture picture: the lists below are its source, `docs/architecture.svg` is made from them.

To change the picture: edit the lists (x, y, width and height are pixels from the top left corner), run
`python docs/pictures/architecture.py`, and commit both files. `tests/test_architecture_picture.py` compares them.
Black, white and greys only, so that it is read on paper, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 470
SVG: Final = Path(__file__).parents[1] / "architecture.svg"

# (x, y, width, height, title, x of the title): what costs money together
GROUPS: Final = (
    (190, 20, 220, 260, "Gateway: small, always on", 202),
    (570, 20, 270, 260, "Host: the GPU, off until asked", 582),
    (190, 340, 650, 110, "Control: serverless", 680),
)
# (x, y, width, height, first line, second line)
BOXES: Final = (
    (20, 62, 120, 56, "Programs", "OpenAI client"),
    (20, 206, 120, 56, "People", "browser"),
    (210, 62, 180, 56, "HAProxy", "keys, limits, routes"),
    (210, 134, 180, 56, "Relay", "wakes, queues, forwards"),
    (210, 206, 180, 56, "Chat page", "Open WebUI"),
    (590, 62, 230, 56, "Engines", "vLLM, one process a model"),
    (590, 206, 230, 56, "Agent", "proves idle, powers off"),
    (210, 380, 180, 56, "Lease", "one item in DynamoDB"),
    (460, 380, 150, 56, "Reaper", "Lambda, every minute"),
    (670, 380, 150, 56, "Notifications", "mail, webhooks"),
)
# (points, label, x and y of the label's middle)
ARROWS: Final = (
    ("140,90 210,90", "8000", 165, 84),
    ("140,228 165,228 165,108 210,108", "3000", 144, 170),
    ("390,90 590,90", "while the host is on", 490, 84),
    ("265,118 265,134", "", 0, 0),
    ("335,206 335,196 400,196 400,104 390,104", "", 0, 0),
    ("390,150 570,150", "starts the host", 490, 144),
    ("225,190 225,198 200,198 200,310 260,310 260,380", "wake request", 246, 304),
    ("590,234 430,234 430,330 340,330 340,380", "heartbeat, stop", 500, 228),
    ("460,408 390,408", "", 0, 0),
    ("600,380 600,280", "forced stop, schedule", 675, 312),
    ("610,408 670,408", "", 0, 0),
)

HEAD: Final = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" \
font-family="Helvetica, Arial, sans-serif" font-size="13" role="img" aria-labelledby="title">
<title id="title">Callers reach the gateway; it forwards to the host, or starts it; the reaper stops it</title>
<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">\
<path d="M0,0 8,4 0,8z" fill="#333"/></marker></defs>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>"""


def draw() -> str:
    """The whole SVG."""
    groups = [_group(group) for group in GROUPS]
    boxes = [_box(box) for box in BOXES]
    arrows = [_arrow(*arrow) for arrow in ARROWS]
    return "\n".join([HEAD, *groups, *boxes, *arrows, "</svg>\n"])


def _group(group: tuple[int, int, int, int, str, int]) -> str:
    x, y, width, height, title, title_x = group
    frame = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="#eee" stroke="#999"/>'
    return frame + "\n" + _text(title, title_x, y + 24, 'font-weight="bold"')


def _box(box: tuple[int, int, int, int, str, str]) -> str:
    x, y, width, height, first, second = box
    frame = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="#fff" stroke="#333"/>'
    middle = x + width // 2
    name = _text(first, middle, y + 24, 'text-anchor="middle" font-weight="bold"')
    return "\n".join([frame, name, _text(second, middle, y + 42, 'text-anchor="middle" fill="#444"')])


def _arrow(points: str, label: str, x: int, y: int) -> str:
    line = f'<polyline points="{points}" fill="none" stroke="#333" stroke-width="1.4" marker-end="url(#end)"/>'
    return line + "\n" + _text(label, x, y, 'text-anchor="middle" font-size="12"') if label else line


def _text(text: str, x: int, y: int, style: str) -> str:
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'


if __name__ == "__main__":
    SVG.write_text(draw())
