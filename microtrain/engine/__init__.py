"""The engine: what the graph is made of (`node`), who records it (`recording`), how gradients flow (`walk`)."""
