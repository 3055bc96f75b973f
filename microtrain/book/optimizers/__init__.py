"""How deep learning is optimised: noise, momentum, adaptive rates, schedules."""
