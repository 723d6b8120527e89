"""The Lambda's archive is complete: it imports alone, in a clean interpreter, and carries nothing that Lambda lacks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.aws import archive

BOTO = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")  # part of Lambda's own runtime
PROGRAM = """
import sys
from importlib.machinery import PathFinder
boto, place = sys.argv[1].split(","), sys.argv[2]
class LambdasOwn:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in boto or name == "six.moves":
            return PathFinder.find_spec(name, path or [place])
sys.meta_path.append(LambdasOwn())
import runtime.reaper.lambda_handler
first = sorted(sys.modules)
import runtime.backends.ec2, runtime.reaper.passes
from core.times.schedule import Schedule, is_on
Schedule("0 9 * * mon-fri", "0 18 * * mon-fri", "Europe/Berlin").check()
import json
print(json.dumps([first, sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """What `import runtime.reaper` alone imported, and what everything did, without this environment's packages."""
    import boto3

    place = tmp_path_factory.mktemp("archive")
    for name, source in archive.files().items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place / name)
    packages = str(Path(boto3.__file__).parents[1])
    program = f"import sys; sys.path.insert(0, {str(place)!r})\n{PROGRAM}"
    environment = {"PYTHONTZPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}  # no zone files but the archive's tzdata
    command = [sys.executable, "-S", "-P", "-c", program, ",".join(BOTO), packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr
    first, everything = json.loads(done.stdout)
    return first, everything


@pytest.mark.parametrize("name", ["pydantic", "aiohttp", "core.settings", "runtime.agent", "runtime.gateway"])
def test_it_imports_alone_and_takes_nothing_along(modules: tuple[list[str], list[str]], name: str) -> None:
    first, everything = modules
    assert "runtime.reaper" in first
    assert name not in everything


def test_an_ignored_event_pays_for_no_client(modules: tuple[list[str], list[str]]) -> None:
    assert not [m for m in modules[0] if m.split(".")[0] in BOTO]


def test_its_handler_is_where_the_function_looks_for_it() -> None:
    from core.contract.documents import REAPER_HANDLER

    module, _, attribute = REAPER_HANDLER.rpartition(".")
    assert module == "runtime.reaper.lambda_handler"
    assert callable(getattr(__import__(module, fromlist=[attribute]), attribute))
