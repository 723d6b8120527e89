"""What runs on a machine, one file a service: its items, its settings, its unit."""
