"""`pilotlight VERB …`: the verbs of `fab` from any folder, and with the stack's name behind the verb; `keys add ann` is
`keys.add ann`.

`local/setup/pilotlight` finds the checkout and comes here. What `fab` does is Fabric's business, its `--version` and
what it says outside the checkout included.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from invoke.collection import Collection
from invoke.program import Program

from remote import verbs
from remote.executor import Executor
from remote.stack_files import PRODUCT
from remote.verbs.version import version


def main(words: Sequence[str]) -> None:
    """Run the verbs that `words` name; ends the process with their exit code."""
    namespace: Collection = importlib.import_module("fabfile").namespace  # the checkout's wiring, `cloud.…` included
    verbs.PROGRAM = PRODUCT
    program = Program(
        name=PRODUCT, binary=PRODUCT, version=version().number, namespace=namespace, executor_class=Executor
    )
    program.run([PRODUCT, *with_stack(joined(words, namespace), namespace)])


def joined(words: Sequence[str], namespace: Collection) -> list[str]:
    """`keys add ann` as `keys.add ann`; anything else as it is."""
    whole = ".".join(words[:2])
    return [whole, *words[2:]] if words[:1] != [whole] and whole in namespace.task_names else list(words)


def with_stack(words: Sequence[str], namespace: Collection) -> list[str]:
    """`status demo` as `status --stack demo`; anything else as it is. A verb that takes a name gets that."""
    if len(words) < 2 or words[0] not in namespace.task_names or words[1].startswith("-"):
        return list(words)
    arguments = namespace[words[0]].get_arguments()
    takes_stack = any(a.name == "stack" for a in arguments) and not any(a.positional for a in arguments)
    return [words[0], "--stack", *words[1:]] if takes_stack else list(words)
