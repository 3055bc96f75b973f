"""Operations of your own, which go through the same door as the table's.

formula.py          from a formula of one line: `mt.elementwise`
function.py         any other, with its derivative, as a class in PyTorch's shape: `mt.autograd.Function`
function_call.py    what happens in one call of such a `Function`
"""

from .formula import elementwise as elementwise
from .function import Function as Function
from .function_call import Context as Context
