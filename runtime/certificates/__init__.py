"""The gateway's certificate: asked for by ACME, renewed, and put into the running HAProxy, which is not reloaded.

`python3 -m runtime.certificates VERB` runs on the gateway as root, with the system's Python and the standard library
alone: `check` says whether the domain points here, `issue` asks for a certificate or renews it where that is due
(`fab deploy` calls it, and a timer), `load` takes a certificate of your own from its standard input.

`issue.py` is the way of a certificate from certbot to HAProxy, `front_door.py` knows HAProxy's admin socket. certbot
is the ACME client (ADR 24): what it is called with stands in `issue.command`.
"""
