"""The engine: what records the graph, and how gradients flow back through it.

Below `Tensor`, which is made of these:

recording.py    who records, and who listens: `no_grad`, `listen`
node.py         what the graph is made of: an operation that was done, with what its backward pass needs
views.py        writing in place, and tensors that share memory
values.py       what a tensor has in common with an array
sites.py        the line of the learner's program that did something
quiet.py        arithmetic without warnings

microtrain/tensor.py: `Tensor.apply` is the door through which every operation goes.

Above `Tensor`:

walk.py         the chain rule: from the outputs back to the leaves
backward.py     what is around it: the seed, hooks, `.grad`
calls.py        which operations a call of a module consisted of
anomaly.py      which operation made the first NaN

What happens in `y = a * b`:

    Tensor.__mul__                  calling/operators.py: `_binary` of the row `mul`, ops/arithmetic.py
    Tensor.apply(mul, a, b)         arrays in, a tensor out
        mul.forward(...)            the value, by NumPy; of large arrays by `mul.kernel`
        Node(...)                   if a gradient is wanted: what `mul.plan` says is kept, and the nodes of a and b

and in `y.backward()`:

    backward                        checks what was given
        differentiate               the seed; listeners hear that it begins and ends
            walk                    the latest node first: the row's vjp once for each parent, gradients added up
        _accumulate                 adds what arrived at a leaf to the `.grad` that it has

To read it: tensor.py, node.py, walk.py, backward.py; views.py last.
"""
