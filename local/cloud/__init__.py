"""The embedded cloud: AWS's API on this computer, with containers that boot systemd as its machines.

`lifecycle.py` brings a cloud up and takes it down, `daemon.py` is what runs in between (moto's server, machines,
metadata, Lambda, schedules, faults in one process), `client.py` is what tests and the demo hold in their hands.
The moto backends that we extend are `ec2.py`, `lambdas.py` and `scheduler.py`: to stand in for more of AWS, subclass
the service's backend in a file of its own and install it in `daemon.py`.
"""
