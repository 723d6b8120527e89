"""A security group's inline rules: between Pulumi's grouped form and single sources, which is what AWS keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

SOURCES = {
    "cidrBlocks": ("IpRanges", "CidrIp"),
    "ipv6CidrBlocks": ("Ipv6Ranges", "CidrIpv6"),
    "prefixListIds": ("PrefixListIds", "PrefixListId"),
    "securityGroups": ("UserIdGroupPairs", "GroupId"),
}
Atom = tuple[str, int, int, str, str, str]  # protocol, from, to, description, kind of source, source


def flatten(rules: Iterable[Mapping[str, Any]]) -> list[Atom]:
    """Each rule's each source on its own, in order; a group's own id is the source "self"."""
    atoms = set()
    for rule in rules:
        protocol = str(rule["protocol"])
        ports = (0, 0) if protocol == "-1" else (int(rule["fromPort"]), int(rule["toPort"]))
        head = (protocol, *ports, rule.get("description") or "")
        atoms |= {(*head, kind, source) for kind in SOURCES for source in rule.get(kind) or ()}
        atoms |= {(*head, "self", "")} if rule.get("self") else set()
    return sorted(atoms)


def from_cloud(permissions: Iterable[Mapping[str, Any]], group: str) -> list[dict[str, Any]]:
    """EC2's IpPermissions as Pulumi's rules, one for each (protocol, ports, description)."""
    rules: dict[tuple[Any, ...], dict[str, Any]] = {}
    for permission in permissions:
        protocol = permission["IpProtocol"]
        low, high = (0, 0) if protocol == "-1" else (permission["FromPort"], permission["ToPort"])
        for kind, (listing, key) in SOURCES.items():
            for entry in permission.get(listing, ()):
                text = entry.get("Description", "")
                rule = rules.setdefault(
                    (protocol, low, high, text),
                    {"protocol": protocol, "fromPort": low, "toPort": high, "description": text, "self": False},
                )
                if entry[key] == group:
                    rule["self"] = True
                else:
                    rule.setdefault(kind, []).append(entry[key])
    return [rules[key] for key in sorted(rules)]


def permission(atom: Atom, group: str) -> dict[str, Any]:
    """One source as an entry of IpPermissions."""
    protocol, low, high, text, kind, source = atom
    listing, key = SOURCES["securityGroups" if kind == "self" else kind]
    entry = {key: group if kind == "self" else source} | ({"Description": text} if text else {})
    ports = {} if protocol == "-1" else {"FromPort": low, "ToPort": high}
    return {"IpProtocol": protocol, **ports, listing: [entry]}
