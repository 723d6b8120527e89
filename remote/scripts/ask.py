"""Runs on the gateway: asks each service for one token through the front door, with a key that lives for that long.

Arguments: HAProxy's admin socket, the keys map, the key's name, the API's port here, then as JSON the requests: a list
of [path, body, headers]. The key is made here, lives only in the running HAProxy's memory, and is deleted again. Prints
one JSON object: service → "" or what was wrong, which begins with the answer's status. Standard library only.
"""

import hashlib
import http.client
import json
import secrets
import socket
import sys


def haproxy(path: str, command: str) -> str:
    """One command on the admin socket; its answer."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(5)
        admin.connect(path)
        admin.sendall(command.encode() + b"\n")
        return admin.recv(65536).decode().strip()


def ask(port: int, key: str, path: str, body: dict[str, object], headers: dict[str, str]) -> str:
    """ "" where the service answered, else status and body."""
    headers = {**headers, "Authorization": "Bearer " + key, "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return "no answer: " + (str(error) or type(error).__name__)
    finally:
        connection.close()
    return "" if answer.status == 200 and '"choices"' in text else f"{answer.status} {text[:300]}"


def main(admin: str, keys_map: str, name: str, port: str, requests: str) -> None:
    """Add the key, ask, delete the key."""
    key = secrets.token_urlsafe(32)
    digest = hashlib.sha256(key.encode()).hexdigest().upper()
    wanted = json.loads(requests)
    found: dict[str, str] = {}
    refused = haproxy(admin, f"add map {keys_map} {digest} {name}:0:0:0:0")
    if refused:
        found = {body["model"]: "HAProxy refused the check's key: " + refused for _, body, _ in wanted}
    else:
        try:
            found = {body["model"]: ask(int(port), key, path, body, headers) for path, body, headers in wanted}
        finally:
            haproxy(admin, f"del map {keys_map} {digest}")
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
