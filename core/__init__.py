"""Facts and decisions that deploy time and run time share. No I/O, no clock, no environment in here."""
