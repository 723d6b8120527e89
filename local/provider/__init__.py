"""Stand-ins for the Pulumi plug-ins `aws` and `random`, on boto3: what the real engine talks to in the embedded cloud.

`python -m local.provider --port-file FILE` serves both; PULUMI_DEBUG_PROVIDERS attaches them to one `pulumi` process.
`server.py` is the protocol, `properties.py` compares and normalises, `behaviour.py` is the table of what each property
does when it changes, and one file an AWS service holds the API calls.

To support another resource: add its rows to `behaviour.py`, a `Kind` in its service's file, list that in
`kinds.py`, and add its edits to `tests/local/provider/edits.py` (a completeness test asks for them).
"""
