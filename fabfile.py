"""Wiring of `fab`: the verbs of remote/, its `keys.…`, and the embedded cloud's as `cloud.…`."""

import signal
import sys

from invoke.collection import Collection

from local import tasks as cloud_tasks
from remote import backup_tasks, key_tasks, money_tasks, replay_tasks, tasks

namespace = Collection.from_module(tasks)
for verb in (task for each in (backup_tasks, money_tasks, replay_tasks) for task in each.namespace.tasks.values()):
    namespace.add_task(verb)
namespace.add_collection(Collection.from_module(key_tasks), "keys")
namespace.add_collection(Collection.from_module(cloud_tasks), "cloud")

if {"--list", "--help"} & set(sys.argv):  # Fabric answers these itself, and no verb runs that a signal could cut
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that has left (`| head -1`) ends it without a traceback
