"""Section 4.2: the structure of losses, and what it does to optimisation."""
