"""What makers of pilotlight run by hand: files that are made from the code."""
