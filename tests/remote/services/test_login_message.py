"""What somebody reads who logs in on the host."""

from __future__ import annotations

import subprocess

from remote.services import agent


def test_a_log_in_with_a_terminal_says_what_keeps_the_host_on() -> None:
    script = agent.login_message()
    assert script.path == "/etc/profile.d/pilotlight.sh"
    text = script.content.decode()
    assert "Your session keeps it on while you type" in text
    assert "for 30m afterwards, but not past maxLease" in text
    quiet = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    assert (quiet.stdout, quiet.stderr) == ("", ""), "no terminal: no words, or scp and rsync break"
