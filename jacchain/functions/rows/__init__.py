"""Values and derivatives up to the second of functions that combine numbers one by one, as programs over rows.

A row is an array of numbers that all go the same way: f(x[:-1], x[1:]) for all k at once. What comes out is wanted by
name, and shares its steps:

    from jacchain.functions.rows.layout import mirrored
    from jacchain.functions.rows.programs import row_program
    from jacchain.functions.rows.wanted import Wanted

    wanted = {
        "objective": Wanted("value", 0),       # of the expression's first result, flat
        "constraints": Wanted("value", 1),
        "gradient": Wanted("gradient", 0),     # of a result of one number: dense, flat
        "jacobian": Wanted("jacobian", 1),     # the values of a csr pattern
        "hessian": Wanted("hessian", 2),       # of a result of one number: the values of the lower triangle, csr
    }
    program = row_program(expression, wanted, variable=0, planner="edge_pushing")   # None: not such a function
    program.layouts["hessian"]                 # Layout(shape, indptr, indices); None for values and gradients
    executable = program.bind()                # holds buffers: one for each thread
    executable.set_input(0, x)                 # an array, by position among those of the expression's arguments
    executable.set_input(1, multipliers)
    executable.result("hessian")               # flat; a read-only view that the next point overwrites: copy to keep
    mirrored(program.layouts["hessian"])       # Mirrored(layout, places): the full matrix is values[places]

On rows, every step runs at most once for a point, whatever is asked for, and what does not depend on the multipliers is
not run again when only these change. Functions of a few numbers go number by number instead, in Python's floats: one
function for each result, which shares nothing with the others. The pattern depends on the function alone, never on
numbers. `print(program)` lists the steps; `program.steps_of(name)` counts those that one result takes. For NaN and
infinity, `jacchain.functions.check.check_values` names the node.

How it comes about: `RowValues` writes the values of an expression's nodes as steps. A matrix of derivatives is a sum of
scattered diagonals (`Scattered`), on which `replayed` carries out the plans of first and second order. `placed` finds
the pattern of a result and where each row goes in it, `simplified` writes its steps anew in fewer, `hoisted` does once
what slices of one row share, and `stages` and `RowExecutable` bind them to buffers.
"""
