"""What sets this project up on a machine that has python3 and make only."""
