"""How operations are called: operators, methods, public functions, NumPy's; and what is said to a wrong call."""
