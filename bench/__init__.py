"""What is measured, each a command: `python -m bench.NAME` prints a table, with `--json` one flat JSON object last."""
