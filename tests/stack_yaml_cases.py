"""What Pulumi's CLI 3.220.0 makes of a stack file's `config:`, seen with `pulumi config --json --config-file`.

`tests/e2e/test_0_stack_file.py` asks the CLI again; `tests/remote/test_stack_yaml.py` holds fab's reader to the same.
A new oddity of YAML: a line here.
"""

from __future__ import annotations

from typing import Any, Final

# name → (lines under `config:`, what the program gets: text for scalars)
SAME: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "no namespace": (
        "  idle: {stopAfter: 10m}\n  gateway: none\n",
        {"pilotlight:idle": {"stopAfter": "10m"}, "pilotlight:gateway": "none"},
    ),
    "long form": ("  pilotlight:config:idle: {stopAfter: 10m}\n", {"pilotlight:idle": {"stopAfter": "10m"}}),
    "another namespace": ("  pilotligth:idle: {a: 1}\n", {"pilotligth:idle": {"a": 1}}),
    "path in the key": ("  pilotlight:idle.stopAfter: 10m\n", {"pilotlight:idle.stopAfter": "10m"}),
    "words of YAML 1.1 are text": (
        "  pilotlight:a: {x: off, y: yes, z: on, n: no, y1: y, N: N}\n  pilotlight:b: off\n",
        {
            "pilotlight:a": {"x": "off", "y": "yes", "z": "on", "n": "no", "y1": "y", "N": "N"},
            "pilotlight:b": "off",
        },
    ),
    "true and false": (
        "  pilotlight:a: {t: true, T: True, f: FALSE}\n  pilotlight:b: True\n",
        {"pilotlight:a": {"t": True, "T": True, "f": False}, "pilotlight:b": "true"},
    ),
    "times are text": (
        "  pilotlight:a: {x: 1:30, y: 12:30:45, z: 09:00}\n",
        {"pilotlight:a": {"x": "1:30", "y": "12:30:45", "z": "09:00"}},
    ),
    "numbers": (
        "  pilotlight:a: {a: 12, b: -0, c: +5, d: .5, e: 5., f: 1.50, g: 1e3, h: 1.0, i: 1e-7}\n"
        "  pilotlight:b: 1.50\n  pilotlight:c: 1e3\n  pilotlight:d: 12\n",
        {
            "pilotlight:a": {"a": 12, "b": 0, "c": 5, "d": 0.5, "e": 5, "f": 1.5, "g": 1000, "h": 1, "i": 1e-7},
            "pilotlight:b": "1.5",
            "pilotlight:c": "1000",
            "pilotlight:d": "12",
        },
    ),
    "nothing": (
        "  pilotlight:a:\n  pilotlight:b: ~\n  pilotlight:c: {x: null, y: , z: ''}\n",
        {"pilotlight:a": "", "pilotlight:b": "", "pilotlight:c": {"x": None, "y": None, "z": ""}},
    ),
    "quotes": (
        "  pilotlight:a: {x: 'off', y: \"010\", z: 'true'}\n  pilotlight:b: \"off\"\n",
        {"pilotlight:a": {"x": "off", "y": "010", "z": "true"}, "pilotlight:b": "off"},
    ),
    "JSON text": ("  pilotlight:a: '{\"x\": 1}'\n", {"pilotlight:a": '{"x": 1}'}),
    "lists": (
        "  pilotlight:a: [1, off, x]\n  pilotlight:b: []\n",
        {"pilotlight:a": [1, "off", "x"], "pilotlight:b": []},
    ),
    "anchors": (
        "  pilotlight:a: &x {p: 1}\n  pilotlight:b: *x\n",
        {"pilotlight:a": {"p": 1}, "pilotlight:b": {"p": 1}},
    ),
    "merge": (
        "  pilotlight:a: &x {p: 1, q: 2}\n  pilotlight:b: {q: 3, <<: *x}\n",
        {"pilotlight:a": {"p": 1, "q": 2}, "pilotlight:b": {"p": 1, "q": 3}},
    ),
    "merge of several": (
        "  pilotlight:a: &x {p: 1}\n  pilotlight:b: &y {p: 5, r: 2}\n  pilotlight:c: {<<: [*x, *y]}\n",
        {"pilotlight:a": {"p": 1}, "pilotlight:b": {"p": 5, "r": 2}, "pilotlight:c": {"p": 1, "r": 2}},
    ),
    "merge of sections": (
        "  <<: {pilotlight:a: {z: 1}}\n  pilotlight:b: {q: 3}\n",
        {"pilotlight:a": {"z": 1}, "pilotlight:b": {"q": 3}},
    ),
    "number as key": ("  pilotlight:a: {1: x, off: y}\n", {"pilotlight:a": {"1": "x", "off": "y"}}),
    "environment is not read": ("  pilotlight:a: $HOME\n", {"pilotlight:a": "$HOME"}),
    "explicit text": ("  pilotlight:a: {x: !!str 010, y: !!int '3'}\n", {"pilotlight:a": {"x": "010", "y": 3}}),
    "lines": (
        "  pilotlight:a: |\n    one\n    two\n  pilotlight:b: >-\n    one\n    two\n",
        {"pilotlight:a": "one\ntwo\n", "pilotlight:b": "one two"},
    ),
    "Windows' ends of lines": (
        "  pilotlight:a: {x: off}\r\n  pilotlight:b: y\r\n",
        {"pilotlight:a": {"x": "off"}, "pilotlight:b": "y"},
    ),
    "no space after a colon": ("  pilotlight:a: {x:1}\n", {"pilotlight:a": {"x:1": None}}),
    "white space before a colon": ("  pilotlight:idle : {a: 1}\n", {"pilotlight:idle": {"a": 1}}),
    "slash": ("  pilotlight/idle: {a: 1}\n", {"pilotlight:pilotlight/idle": {"a": 1}}),
    "encrypted-looking with more": ("  pilotlight:a: {secure: x, y: 2}\n", {"pilotlight:a": {"secure": "x", "y": 2}}),
}

# name → (lines under `config:`, words of fab's message). Pulumi refuses it too, or reads what nobody means
REFUSED: Final[dict[str, tuple[str, str]]] = {
    "octal": ("  pilotlight:a: {x: 010}\n", "line 2: `010`: not every reader"),
    "octal, 1.2": ("  pilotlight:a: {x: 0o10}\n", "`0o10`: not every reader"),
    "hexadecimal": ("  pilotlight:a: {x: 0x1f}\n", "`0x1f`: not every reader"),
    "leading zero": ("  pilotlight:a: {x: 089}\n", "`089`: not every reader"),
    "underscore": ("  pilotlight:a: {x: 1_000}\n", "`1_000`: not every reader"),
    "beside its key": ("  pilotlight:a: 010\n", "`010`: not every reader"),
    "infinity": ("  pilotlight:a: {x: .inf}\n", "line 2: `.inf` is not allowed: write a number that is finite"),
    "no number": ("  pilotlight:a: {x: .NaN}\n", "`.NaN` is not allowed"),
    "tab": (
        "  pilotlight:a:\n\t\tx: 1\n",
        "line 3 cannot be read: tab characters are not allowed for indentation, use",
    ),
    "tab after spaces": ("  pilotlight:a:\n  \tx: 1\n", "line 3 cannot be read: tab characters are not allowed"),
    "control character": ("  pilotlight:a: \x01\n", "line 2 cannot be read: it has the character 0x0001"),
    "another encoding": ("  pilotlight:a: \0x\n", "cannot be read: it is not in UTF-8. Save it as UTF-8"),
    "date": ("  pilotlight:a: {x: 2026-11-25}\n", "`2026-11-25`: not every reader"),
    "too large": ("  pilotlight:a: {x: 12345678901234567890123}\n", "not every reader"),
    "too large a float": ("  pilotlight:a: {x: 1e30}\n", "too large a number"),
    "not a bool": ("  pilotlight:a: {x: !!bool 'yes'}\n", "`yes`: not every reader"),
    "bytes": ("  pilotlight:a: {x: !!binary aGVsbG8=}\n", "not every reader"),
    "a tag": ("  pilotlight:a: {x: !foo bar}\n", "not every reader"),
    "twice": ("  pilotlight:a: {p: 1}\n  pilotlight:a: {p: 2}\n", "line 3: `pilotlight:a` is there twice"),
    "twice, inside": ("  pilotlight:a: {p: 1, p: 2}\n", "line 2: `p` is there twice"),
    "twice, with and without namespace": (
        "  idle: {stopAfter: 10m}\n  pilotlight:idle: {stopAfter: 20m}\n",
        "line 3: `pilotlight:idle` is `pilotlight:idle` once more",
    ),
    "no key": ("  1: x\n", "`1` is not a key"),
    "four parts": ("  a:b:c:d: x\n", "`a:b:c:d` is not a key"),
    "truth as key": ("  pilotlight:a: {true: y}\n", "the key `true` is not text"),
    "list as key": ("  pilotlight:a: {? [a] : b}\n", "is not text"),
    "contains itself": ("  pilotlight:a: &a {x: *a}\n", "contains itself"),
    "contains itself by merging": ("  pilotlight:a: &a {<<: *a}\n", "`<<` takes a mapping"),
    "no YAML": ("  pilotlight:a: {x: %a}\n", "cannot be read"),
    "a list": ("  [a]\n", "has no `config:` mapping"),
    "two documents": ("  pilotlight:a: x\n---\nconfig: {}\n", "line 4: a second document"),
    "config twice": ("  pilotlight:a: x\nconfig: {}\n", "line 3: `config` is there twice"),
    "Pulumi's environments": ("  pilotlight:a: x\nenvironment: [prod]\n", "`environment:` is read by Pulumi only"),
}
