"""What a stack makes on AWS: one component a file, wired in `deployment.py`.

    firewall.py     security groups           policies.py  IAM, as pure functions
    gpu_host.py     the machine with the GPU  machine.py   what host and gateway have in common
    gateway_host.py the small machine         network.py   which VPC, subnets and images
    control.py      table, reaper, schedule   archive.py   what the Lambdas consist of
    unit.py         the reaper's settings     tags.py      the tags on everything
    alerts.py       the topic                 guard.py     real stack or embedded cloud?
    webhooks.py     queues, the notifier      roles.py     what machines and functions run as
    control_link.py the control, own or shared
    data_volume.py  what outlives the gateway
    preflight.py    what would make up fail   lookups.py   how AWS is asked

To add a resource: here, in `tests/components/aws/`, in `policies.py` if something may touch it, and in
`local/provider/`, or the embedded cloud refuses it.
"""
