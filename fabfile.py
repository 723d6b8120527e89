"""Wiring of `fab`: the verbs of remote/, and the embedded cloud's as `cloud.…`."""

from invoke.collection import Collection

from local import tasks as cloud_tasks
from remote import tasks

namespace = Collection.from_module(tasks)
namespace.add_collection(Collection.from_module(cloud_tasks), "cloud")
