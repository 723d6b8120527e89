"""The dashboard as the relay's process has it: over the same units, stores and powers, with threads of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.contract.documents import Place, RelayConfig
from runtime.backends import Backend
from runtime.gateway.dashboard import sessions
from runtime.gateway.dashboard.app import Dashboard
from runtime.gateway.dashboard.look import LeaseUnit
from runtime.gateway.dashboard.operators import Operators
from runtime.gateway.dashboard.stream import Streams
from runtime.gateway.dashboard.unit import DashboardUnit
from runtime.gateway.dashboard.usage import UsageReader
from runtime.gateway.unit import Unit
from runtime.gateway.unit.threads import Threads
from runtime.gateway.usage.ledger import Ledger


def dashboard(
    config: RelayConfig,
    units: Sequence[Unit],
    backends: Mapping[Place, Backend],
    ledger: Ledger,
    *,
    keys: str,
    session_secret: str,
) -> Dashboard:
    """For these units of the configuration, in its order. `keys` and `session_secret` are paths."""
    seen = [
        DashboardUnit(
            of,
            LeaseUnit(unit, of),
            store=backends[of.place].leases,
            power=backends[of.place].power,
            threads=Threads(f"dashboard {of.unit}"),
        )
        for of, unit in zip(config.units, units, strict=True)
    ]
    known = sessions.Sessions(sessions.secret(session_secret), Operators(keys))
    return Dashboard(config, seen, known, usage=UsageReader(ledger), streams=Streams())
