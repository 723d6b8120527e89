"""What strangers agree on. Reaper, agent, relay, components and remote meet here and in the lease.

A number or a name that two of them need stands once, in the file of its kind: `network`, `tags`, `table`, `paths`,
`intervals`, `documents`. What only one of them needs lives with that one.
"""
