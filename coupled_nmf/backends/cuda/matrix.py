"""X as the device reads it: tiles of rows, which lie in its memory, or come from the host's while it works."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from coupled_nmf.backends.cuda.device import Device, Program, leading
from coupled_nmf.data.arrays import on_device
from coupled_nmf.data.tiled_matrix import SparseRows, TiledMatrix
from coupled_nmf.system.interrupts import INTERRUPTS

TILE_BYTES, MOST_ROWS = 2**28, 2**14  # of a tile, which is to be large beside a launch, and small beside X
SHARE = 0.9  # of the free memory that may be used
EXPANDING = 128  # threads a row, where rows are made dense


@dataclass(frozen=True)
class DeviceTile:
    """Rows of X: of each part an array (rows, width) and its columns. Where it lies does not change."""

    index: int
    rows: slice
    parts: list[tuple[Any, slice]]

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.rows.stop - self.rows.start)


class _Slot:
    """Room for one tile of what is streamed, on the host and on the device; and how far its copying has come."""

    def __init__(self, device: Device, shapes: list[tuple[int, int]], dtype: np.dtype[Any]) -> None:
        cuda = device.cupy.cuda
        self.pinned = [
            np.frombuffer(cuda.alloc_pinned_memory(h * w * dtype.itemsize), dtype, h * w).reshape(h, w)
            for h, w in shapes
        ]
        self.arrays = [device.empty(shape, dtype) for shape in shapes]
        self.copied, self.used = cuda.Event(disable_timing=True), cuda.Event(disable_timing=True)


class DeviceMatrix:
    """X on the device, if it fits into its memory; else its parts in the host's memory, or outside, are streamed.

    Streamed tiles are read into pinned memory by a thread, and copied while the device works on the tile before.
    """

    def __init__(self, X: TiledMatrix, device: Device, rank: int) -> None:
        self.X, self.device = X, device
        for part in X.parts:
            device.refuse_other(part)
        self.shape, self.dtype, self.layout = X.shape, X.dtype, X.layout
        bytes_a_row = max(X.shape[1] * X.dtype.itemsize, 1)
        self.height = min(X.shape[0], MOST_ROWS, max(TILE_BYTES // bytes_a_row, 64))
        if X.chunk_rows <= self.height:  # tiles of whole chunks, or chunks are unpacked more than once
            self.height -= self.height % X.chunk_rows
        self.streams = not self._fits(rank)
        self._held = [self._hold(number) for number in range(len(X.parts))]
        self._streamed = [number for number, held in enumerate(self._held) if held is None]
        self._slots = self._make_slots()
        self._expanding: dict[int, Program] = {}
        self._rooms: dict[int, Any] = {}
        self.tiles = [self._tile(index) for index in range(-(-X.shape[0] // self.height))]
        if self._streamed:
            self._reader = ThreadPoolExecutor(1, thread_name_prefix="coupled_nmf_stager")
            self._stream = device.cupy.cuda.Stream(non_blocking=True)
            self._where = device.cupy.cuda.Device()

    def _fits(self, rank: int) -> bool:
        """Whether X fits beside both F, the last one, the stand-in, and buffers for tiles."""
        beside = self.dtype.itemsize * (self.shape[0] * (5 * rank + 8) + 3 * self.height * self.shape[1])
        size = 0
        for part in self.X.parts:
            if isinstance(part, SparseRows):
                size += part.data.nbytes + part.indices.nbytes + part.indptr.nbytes
            elif not self._serves(part):
                size += part.shape[0] * part.shape[1] * self.dtype.itemsize
        return size + beside <= SHARE * self.device.free_bytes()

    def _serves(self, part: Any) -> bool:
        """Whether a part is read where it is: on the device, in X's dtype, row by row."""
        if not on_device(part) or part.dtype != self.dtype:
            return False
        rows, width = part.shape
        return part.strides[1] == part.itemsize and (rows == 1 or part.strides[0] >= width * part.itemsize)

    def _hold(self, number: int) -> Any:
        """A part on the device; None for one that is streamed."""
        part = self.X.parts[number]
        if self._serves(part):
            return part
        if self.streams:
            return None
        if on_device(part):
            return self.device.cupy.ascontiguousarray(part, dtype=self.dtype)
        if isinstance(part, SparseRows):
            return self.device.put(part.data), self.device.put(part.indices), self.device.put(part.indptr)
        held = self.device.empty(tuple(part.shape), self.dtype)
        for start in range(0, part.shape[0], self.height):
            INTERRUPTS.check()
            rows = slice(start, min(start + self.height, part.shape[0]))
            held[rows].set(self._dense_rows(number, rows))
        return held

    def _dense_rows(self, number: int, rows: slice) -> Any:
        """Those rows of a part, in memory; what lies outside it may give sparse ones."""
        some = self.X.rows_of(number, rows)
        return some.to_dense() if isinstance(some, SparseRows) else some

    def _make_slots(self) -> list[_Slot]:
        widths = [self.X.parts[number].width if isinstance(self.X.parts[number], SparseRows)
                  else self.X.parts[number].shape[1] for number in self._streamed]  # fmt: skip
        shapes = [(self.height, int(width)) for width in widths]
        return [_Slot(self.device, shapes, self.dtype) for _ in range(2)] if shapes else []

    def _tile(self, index: int) -> DeviceTile:
        rows = slice(index * self.height, min((index + 1) * self.height, self.shape[0]))
        height, parts = rows.stop - rows.start, []
        for number, (held, columns) in enumerate(zip(self._held, self.X.part_columns, strict=True)):
            if held is None:
                array = self._slots[index % 2].arrays[self._streamed.index(number)][:height]
            elif isinstance(held, tuple):
                array = self._expand(index, held, rows, columns)
            else:
                array = held[rows]
            parts.append((array, columns))
        return DeviceTile(index, rows, parts)

    def _expand(self, index: int, held: tuple[Any, Any, Any], rows: slice, columns: slice) -> Any:
        """Where the rows of a sparse part are made dense each time that the tile's turn comes."""
        data, indices, indptr = held
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if index == 0:
            self._rooms[columns.start] = self.device.empty((self.height, width), self.dtype)
        array = self._rooms[columns.start][:height]
        arguments = (data, indices, indptr[rows.start :], np.int32(height), np.int32(width), array,
                     np.int64(leading(array)[0]))  # fmt: skip
        kernel = self.device.kernel("fill.cu", "expand", self.dtype)
        self._expanding.setdefault(index, Program()).add(kernel, (height,), (EXPANDING,), arguments)
        return array

    def passes(self) -> Iterator[DeviceTile]:
        """The tiles, in order, each when it is ready for what is launched next; Ctrl-C is heard between them."""
        if not self._streamed:
            for tile in self.tiles:
                INTERRUPTS.check()
                self._begin(tile)
                yield tile
            return
        stream = self.device.cupy.cuda.get_current_stream()
        for slot in self._slots:  # what had their memory before, or a pass that was not finished, comes first
            slot.used.record(stream)
        coming = self._reader.submit(self._load, self.tiles[0])
        for tile in self.tiles:
            coming.result()
            INTERRUPTS.check()
            slot = self._slots[tile.index % 2]
            stream.wait_event(slot.copied)
            if tile.index + 1 < len(self.tiles):
                coming = self._reader.submit(self._load, self.tiles[tile.index + 1])
            self._begin(tile)
            yield tile
            slot.used.record(stream)

    def _begin(self, tile: DeviceTile) -> None:
        if tile.index in self._expanding:
            self._expanding[tile.index].run()

    def _load(self, tile: DeviceTile) -> None:
        """Read what is streamed of a tile, and begin to copy it; on a thread of its own."""
        slot = self._slots[tile.index % 2]
        with self._where:
            slot.copied.synchronize()  # what was in the pinned memory has left it
            for number, pinned in zip(self._streamed, slot.pinned, strict=True):
                pinned[: tile.height] = self._dense_rows(number, tile.rows)
            self._stream.wait_event(slot.used)
            for pinned, array in zip(slot.pinned, slot.arrays, strict=True):
                array[: tile.height].set(pinned[: tile.height], stream=self._stream)
            slot.copied.record(self._stream)

    def close(self) -> None:
        """End the thread, and wait for what it began."""
        if self._streamed:
            self._reader.shutdown()
            self._stream.synchronize()
