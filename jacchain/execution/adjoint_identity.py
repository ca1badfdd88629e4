"""Whether the tangents and adjoints of a layer belong to one local Jacobian: u·(J v) = (u J)·v."""

import numpy as np

from jacchain.algebra.kernels import Array, Kernels, run
from jacchain.errors import CheckError, NonFiniteError
from jacchain.execution.source import Facts, MatrixFree


def check_adjoint(source: MatrixFree, facts: Facts, kernels: Kernels, x: Array, what: str, /) -> None:
    """Hold one tangent and one adjoint of a layer against each other, for a fixed random v and u.

    Raises
    ------
    NonFiniteError
        One of them gives NaN or infinity.
    CheckError
        u·(J v) and (u J)·v differ by more than the cube root of the precision, relative to |u||J v| + |u J||v|; what
        users approximate by differences is within that.
    """
    xp, link = kernels.xp, facts.link
    random = np.random.default_rng(0)
    v = xp.asarray(random.standard_normal((link.inputs, 1)).astype(x.dtype))
    u = xp.asarray(random.standard_normal((1, link.outputs)).astype(x.dtype))
    image, pulled = xp.empty((link.outputs, 1), x.dtype), xp.empty((1, link.inputs), x.dtype)
    run(source.tangent_calls(kernels, x, v, image))
    run(source.adjoint_calls(kernels, x, u, pulled))
    one, other = float((u @ image)[0, 0]), float((pulled @ v)[0, 0])
    norm = xp.linalg.norm
    scale = float(norm(u) * norm(image) + norm(pulled) * norm(v))
    for made, name in ((image, "jvp"), (pulled, "vjp")):
        if not xp.isfinite(made).all():
            raise NonFiniteError(f"NaN or infinity in the {name} of {what}", "look at that function")
    if not abs(one - other) <= float(np.finfo(x.dtype).eps) ** (1 / 3) * scale:
        raise CheckError(
            f"jvp and vjp of {what} disagree: u·(J v) is {one:.6g}, but (u J)·v is {other:.6g}",
            "correct one of them: both must belong to the same local Jacobian",
        )
