"""What a stack on a machine of one's own makes: outputs, and no resource (`deployment.py`)."""
