"""PyTorch's place for the loader: `from microtrain.utils.data.dataloader import DataLoader`."""

from ...data.loader import DataLoader, collate as default_collate, converted as default_convert

__all__ = ["DataLoader", "default_collate", "default_convert"]
