"""Functions that are no rows of the operation table: they make tensors, or consist of rows."""
