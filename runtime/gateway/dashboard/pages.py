"""The pages as HTML, from `templates/`. Every value is escaped by jinja2; nothing here marks a value of others as safe.

A page is made of parts, so that an open page is sent only those that changed (`stream.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from runtime.gateway.dashboard.sessions import Session
from runtime.gateway.dashboard.show import DOCS, PINS, Host, Visitor
from runtime.gateway.dashboard.usage import Usage

_HERE: Final = Path(__file__).parent
PARTS: Final = ("headline", "state", "actions", "money", "usage", "wakes")  # of an operator's page, in its order
Parts = Mapping[str, str]  # the HTML of each part, by its name

_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def prepare() -> None:
    """Compile every template: a fifth of a second that the first page would otherwise take from waiting callers."""
    for name in _TEMPLATES.list_templates():
        _TEMPLATES.get_template(name)


def static(name: str) -> bytes:
    """A file that pages name: the stylesheet, the script."""
    return (_HERE / "static" / name).read_bytes()


def operator_parts(hosts: Sequence[Host], usage: Usage, session: Session) -> Parts:
    """What an operator reads, part by part."""
    values = {"hosts": hosts, "usage": usage, "session": session, "pins": PINS}
    return {name: _render(f"parts/{name}.html.j2", **values) for name in PARTS}


def operator(parts: Parts, session: Session, *, stack: str, chat_url: str, busy: bool, said: str) -> str:
    """An operator's page. `said`: what became of the last button. `busy`: it looks again by itself."""
    titles = {"state": "State", "actions": "Wake, pin, stop", "usage": "Requests", "wakes": "Wakes", "money": "Money"}
    return _render(
        "operator.html.j2",
        parts=_marked(parts), titles=titles, session=session, stack=stack, chat_url=chat_url, busy=busy, said=said,
        docs=DOCS,
    )  # fmt: skip


def visitor_parts(seen: Visitor) -> Parts:
    """What a visitor reads."""
    return {
        "headline": _render("parts/visitor-headline.html.j2", seen=seen),
        "visitor": _render("parts/visitor.html.j2", seen=seen),
    }


def visitor(parts: Parts, *, busy: bool) -> str:
    """A visitor's page."""
    return _render("visitor.html.j2", parts=_marked(parts), busy=busy)


def log_in(*, wrong: str = "") -> str:
    """The form; `wrong`: why the last try was refused."""
    return _render("log-in.html.j2", wrong=wrong)


def _marked(parts: Parts) -> dict[str, Markup]:
    """Parts are our own templates' output, escaped when they were rendered."""
    return {name: Markup(html) for name, html in parts.items()}


def _render(name: str, **values: Any) -> str:
    return _TEMPLATES.get_template(name).render(**values)
