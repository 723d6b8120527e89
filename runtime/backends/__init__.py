"""What a unit is, for the programs that run: where its lease lives, what turns it on and off, who is told."""
