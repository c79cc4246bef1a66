"""Two small products that stay in vector registers, written in LLVM's own language.

Everything that costs time in a factorization is one of two shapes. ``dot_block`` adds dot products of a few rows with
a few others, all contiguous; ``outer_block`` adds a few rows times numbers to a few others. Written as loops they reach
a half of what the core can do; here the sums are kept in registers whatever the compiler thinks of it.

Arrays are given by address and by bytes from row to row, so that one compiled function serves any number of parts
and every view. ``zero`` is a zero of the arrays' dtype, and stands for that dtype alone.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic


def _target_features() -> dict[str, bool]:
    """What the processor that Numba compiles for has: this one, unless the environment names another."""
    name, features = (getattr(config, setting, None) for setting in ("CPU_NAME", "CPU_FEATURES"))
    if name is not None or features is not None:
        return {feature[1:]: feature[0] == "+" for feature in (features or "").split(",") if feature}
    try:
        return dict(binding.get_host_cpu_features())
    except RuntimeError:  # a processor that LLVM does not know
        return {}


# Bytes of a vector; rows and columns of sums of a dot block; rows and vectors of an outer block; rows of combinations
# of 6 vectors: what 32 registers hold with AVX-512, what 16 hold with AVX2, and what 32 hold of the 16 bytes that
# any other processor has.
_HAS = _target_features()
if _HAS.get("avx512f"):
    VECTOR_BYTES, DOT_ROWS, DOT_COLUMNS, OUTER_ROWS, OUTER_VECTORS, COMBINED_ROWS = 64, 6, 4, 6, 4, 4
elif _HAS.get("avx2"):
    VECTOR_BYTES, DOT_ROWS, DOT_COLUMNS, OUTER_ROWS, OUTER_VECTORS, COMBINED_ROWS = 32, 3, 4, 3, 4, 2
else:
    VECTOR_BYTES, DOT_ROWS, DOT_COLUMNS, OUTER_ROWS, OUTER_VECTORS, COMBINED_ROWS = 16, 6, 4, 6, 4, 4
COMBINED_BYTES = 6 * VECTOR_BYTES

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def _number(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)


class _Lanes:
    """Vectors of one width: the few instructions that the blocks are made of."""

    def __init__(self, builder: ir.IRBuilder, scalar: types.Type, n_bytes: int) -> None:
        self.builder = builder
        element, self.size = (ir.FloatType(), 4) if scalar == types.float32 else (ir.DoubleType(), 8)
        self.count = max(n_bytes // self.size, 1)
        self.kind = ir.VectorType(element, self.count)
        self.zero = ir.Constant(self.kind, None)

    def at(self, base: Any, *offsets: Any) -> Any:
        for offset in offsets:
            base = self.builder.add(base, offset)
        return base

    def rows(self, base: Any, stride: Any, n: int) -> list[Any]:
        return [self.at(base, self.builder.mul(_number(i), stride)) for i in range(n)]

    def load(self, address: Any) -> Any:
        return self.builder.load(self.builder.inttoptr(address, ir.PointerType(self.kind)), align=self.size)

    def store(self, value: Any, address: Any) -> None:
        self.builder.store(value, self.builder.inttoptr(address, ir.PointerType(self.kind)), align=self.size)

    def load_number(self, address: Any) -> Any:
        return self.builder.load(self.builder.inttoptr(address, ir.PointerType(self.kind.element)))

    def splat(self, number: Any) -> Any:
        empty = ir.Constant(self.kind, ir.Undefined)
        first = self.builder.insert_element(empty, number, ir.Constant(_I32, 0))
        lanes = ir.Constant(ir.VectorType(_I32, self.count), [0] * self.count)
        return self.builder.shuffle_vector(first, empty, lanes)

    def prefetch(self, address: Any) -> None:
        """Ask for the line at an address that will be read soon; nothing is read, so it may lie anywhere."""
        pointer = ir.PointerType(ir.IntType(8))
        kind = ir.FunctionType(ir.VoidType(), [pointer, _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0i8")
        hints = [ir.Constant(_I32, hint) for hint in (0, 2, 1)]  # to read, into the second cache, data
        self.builder.call(function, [self.builder.inttoptr(address, pointer), *hints])

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """``a b + c``, fused where the processor can: where it cannot, the strict form is a call into libm."""
        name = f"llvm.fmuladd.v{self.count}f{8 * self.size}"
        function = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(self.kind, [self.kind] * 3), name
        )
        return self.builder.call(function, [a, b, c])

    def without_first(self, vector: Any, n: Any) -> Any:
        """The vector with zeros in its first ``n`` lanes."""
        lanes = ir.VectorType(_I32, self.count)
        empty = ir.Constant(lanes, ir.Undefined)
        limit = self.builder.insert_element(empty, self.builder.trunc(n, _I32), ir.Constant(_I32, 0))
        limit = self.builder.shuffle_vector(limit, empty, ir.Constant(lanes, [0] * self.count))
        kept = self.builder.icmp_signed(">=", ir.Constant(lanes, list(range(self.count))), limit)
        return self.builder.select(kept, vector, self.zero)

    def add_up(self, vectors: list[Any]) -> Any:
        """One vector whose lanes are the sums of the lanes of each of ``vectors``, at most as many as there are lanes.

        Two vectors are folded into one, segment by segment, and so on: less than half the work of one after the other.
        """
        segment = self.count
        while segment > 1:
            half = segment // 2
            folded = []
            for i in range(0, len(vectors), 2):
                pair = vectors[i : i + 2]
                last = pair[-1]  # an odd one is folded with itself
                firsts = [s + lane for s in range(0, 2 * self.count, segment) for lane in range(half)]
                parts = [
                    self.builder.shuffle_vector(
                        pair[0], last, ir.Constant(ir.VectorType(_I32, self.count), [f + shift for f in firsts])
                    )
                    for shift in (0, half)
                ]
                folded.append(self.builder.fadd(*parts))
            vectors, segment = folded, half
        return vectors[0]

    def held(self, values: list[list[Any]]) -> list[list[Any]]:
        """Registers that start with these values."""
        return [[cgutils.alloca_once_value(self.builder, value) for value in row] for row in values]


def _add_dots(
    lanes: _Lanes, rows: int, columns: int, x: Any, xs: Any, h: Any, hs: Any, n: Any, out: Any, os: Any, fetches: bool
) -> None:
    b, width = lanes.builder, _number(lanes.count)
    held = lanes.held([[lanes.zero] * columns for _ in range(rows)])
    x_rows, h_rows = lanes.rows(x, xs, rows), lanes.rows(h, hs, columns)

    def step(offset: Any, repeated: Any = None) -> None:
        xv = [lanes.load(lanes.at(row, offset)) for row in x_rows]
        if repeated is not None:
            xv = [lanes.without_first(v, repeated) for v in xv]
        for j, row in enumerate(h_rows):
            hv = lanes.load(lanes.at(row, offset))
            for r in range(rows):
                b.store(lanes.fma(xv[r], hv, b.load(held[r][j])), held[r][j])

    whole = b.mul(b.sdiv(n, width), width)
    size = _number(lanes.size)
    with cgutils.for_range_slice(b, _number(0), b.mul(whole, size), b.mul(width, size), _I64) as (offset, _):
        if fetches:
            for row in x_rows:
                lanes.prefetch(lanes.at(row, offset, b.mul(_number(rows), xs)))
        step(offset)
    if lanes.count > 1:  # the last vector begins early, and what was seen before counts as zero
        with b.if_then(b.icmp_signed("<", whole, n)):
            step(b.mul(b.sub(n, width), size), b.sub(width, b.sub(n, whole)))
    places = [
        lanes.at(row, _number(r * lanes.size)) for row in lanes.rows(out, os, columns) for r in range(rows)
    ]  # in the order of the sums, which are laid down as vectors first
    values = [b.load(held[r][j]) for j in range(columns) for r in range(rows)]
    for first in range(0, len(values), lanes.count):
        group = values[first : first + lanes.count]
        laid = b.ptrtoint(cgutils.alloca_once_value(b, lanes.add_up(group)), _I64)
        for i, place in enumerate(places[first : first + lanes.count]):
            number = lanes.load_number(lanes.at(laid, _number(i * lanes.size)))
            pointer = b.inttoptr(place, ir.PointerType(lanes.kind.element))
            b.store(b.fadd(b.load(pointer), number), pointer)


def _add_outer(
    lanes: _Lanes, rows: int, vectors: int, f: Any, fs: Any, x: Any, xs: Any, n: Any, out: Any, os: Any,
    repeated: Any = None, sign: int = 1,
) -> None:  # fmt: skip
    b = lanes.builder
    offsets = [_number(v * lanes.count * lanes.size) for v in range(vectors)]
    places = [[lanes.at(row, offset) for offset in offsets] for row in lanes.rows(out, os, rows)]
    held = lanes.held([[lanes.load(place) for place in row] for row in places])
    f_rows = lanes.rows(f, fs, rows)
    with cgutils.for_range_slice(b, _number(0), n, _number(1), _I64) as (r, _):
        start = lanes.at(x, b.mul(r, xs))
        xv = [lanes.load(lanes.at(start, offset)) for offset in offsets]
        if repeated is not None:
            xv = [lanes.without_first(v, repeated) for v in xv]
        for row, sums in zip(f_rows, held, strict=True):
            number = lanes.load_number(lanes.at(row, b.mul(r, _number(lanes.size))))
            weight = lanes.splat(number if sign > 0 else b.fneg(number))
            for v, held_sum in zip(xv, sums, strict=True):
                b.store(lanes.fma(weight, v, b.load(held_sum)), held_sum)
    for row, sums in zip(places, held, strict=True):
        for place, held_sum in zip(row, sums, strict=True):
            lanes.store(b.load(held_sum), place)


def _for_each_count(builder: ir.IRBuilder, n: Any, largest: int, write: Any) -> None:
    """Code for every n from 1 to ``largest``, chosen at run time."""
    after = builder.append_basic_block("after")
    switch = builder.switch(n, after)
    for count in range(1, largest + 1):
        block = builder.append_basic_block(f"count{count}")
        switch.add_case(_number(count), block)
        with builder.goto_block(block):
            write(count)
            builder.branch(after)
    builder.position_at_end(after)


def _dot_of(rows: int, columns: int, n_bytes: int, *, fetches: bool = False) -> Any:
    @intrinsic
    def dot(typingctx, zero, x, xs, h, hs, columns_now, n, out, os):
        def write(context, builder, signature, args):
            _, x, xs, h, hs, columns_now, n, out, os = args
            lanes = _Lanes(builder, signature.args[0], n_bytes)
            _for_each_count(
                builder, columns_now, columns, lambda c: _add_dots(lanes, rows, c, x, xs, h, hs, n, out, os, fetches)
            )
            return context.get_dummy_value()

        return types.void(zero, *[types.int64] * 8), write

    return dot


def _outer_of(rows: int, vectors: int, n_bytes: int, *, repeats: bool) -> Any:
    @intrinsic
    def outer(typingctx, zero, f, fs, rows_now, x, xs, n, out, os, repeated):
        def write(context, builder, signature, args):
            _, f, fs, rows_now, x, xs, n, out, os, repeated = args
            lanes = _Lanes(builder, signature.args[0], n_bytes)
            skip = repeated if repeats else None
            _for_each_count(
                builder, rows_now, rows, lambda c: _add_outer(lanes, c, vectors, f, fs, x, xs, n, out, os, skip)
            )
            return context.get_dummy_value()

        return types.void(zero, *[types.int64] * 9), write

    return outer


def _size_of(typingctx, zero):
    """Bytes of a number of that dtype, known to the compiler."""
    return types.int64(zero), lambda context, builder, signature, args: _number(signature.args[0].bitwidth // 8)


def _pointer_to(typingctx, zero, address):
    """The address as a pointer to numbers of that dtype."""

    def write(context, builder, signature, args):
        return builder.inttoptr(args[1], context.get_value_type(signature.return_type))

    return types.CPointer(zero)(zero, types.int64), write


size_of: Any = intrinsic(_size_of)
pointer_to: Any = intrinsic(_pointer_to)


# dot(zero, x, x_stride, h, h_stride, columns, n, out, out_stride):
#   out[j, r] += Σ_i x[r, i] h[j, i]   for r of DOT_ROWS (or 1), j < columns <= DOT_COLUMNS, i < n; n a vector or more
dot_block = _dot_of(DOT_ROWS, DOT_COLUMNS, VECTOR_BYTES)
dot_block_ahead = _dot_of(DOT_ROWS, DOT_COLUMNS, VECTOR_BYTES, fetches=True)  # and asks for the next rows of x
dot_row = _dot_of(1, DOT_COLUMNS, VECTOR_BYTES)
dot_narrow = _dot_of(1, 1, 1)  # any n

# outer(zero, f, f_stride, rows, x, x_stride, n, out, out_stride, repeated):
#   out[j, i] += Σ_r f[j, r] x[r, i]   for j < rows <= OUTER_ROWS, r < n, i of OUTER_VECTORS vectors (or of 1, the first
#   ``repeated`` of whose lanes are left alone)
outer_block = _outer_of(OUTER_ROWS, OUTER_VECTORS, VECTOR_BYTES, repeats=False)
outer_vector = _outer_of(OUTER_ROWS, 1, VECTOR_BYTES, repeats=True)
outer_number = _outer_of(1, 1, 1, repeats=False)


def _subtract_combinations(typingctx, zero, weights, ws, rows, x, xs, n, out, os):
    """``out[j, i] −= Σ_r weights[j, r] x[r, i]`` for j < rows <= COMBINED_ROWS, r < n, i of COMBINED_BYTES."""

    def write(context, builder, signature, args):
        _, weights, ws, rows, x, xs, n, out, os = args
        lanes = _Lanes(builder, signature.args[0], VECTOR_BYTES)
        vectors = COMBINED_BYTES // VECTOR_BYTES
        _for_each_count(
            builder,
            rows,
            COMBINED_ROWS,
            lambda c: _add_outer(lanes, c, vectors, weights, ws, x, xs, n, out, os, sign=-1),
        )
        return context.get_dummy_value()

    return types.void(zero, *[types.int64] * 8), write


subtract_combinations: Any = intrinsic(_subtract_combinations)
