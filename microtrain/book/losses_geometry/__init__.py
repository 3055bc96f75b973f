"""Section 4.1: losses from probability and geometry."""
