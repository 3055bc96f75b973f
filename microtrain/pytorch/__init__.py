"""What programs for PyTorch ask for beside tensors: devices, settings, its files; and what is left out, and why."""
