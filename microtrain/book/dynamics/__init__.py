"""The dynamics of gradient descent."""
