"""What every step of set-up is given: where things go, how programs are run, and how to become root.

One object instead of globals, so that a test sets up a computer that does not exist.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import SetupError
from local import folders
from local.setup.commands import Commands

# Not on every user's PATH, but dockerd and debootstrap are there
SYSTEM_FOLDERS = ("usr/local/sbin", "usr/sbin", "sbin")
