"""Chapter 6: training models."""
