"""What layers would take, and what memory there is, on machines that say it in different ways."""

import math
import subprocess
import sys

import pytest
from processes import with_tests

from cnn_probe.activations.passes.outputs import Output
from cnn_probe.activations.planning import Layer
from cnn_probe.activations.store.estimates import LayerBytes, does_not_fit, estimate, memory_for_rows, size
from cnn_probe.system.memory import UNLIMITED, available_memory, group_memory, machine_memory

SHAPES = {"stem": (64, 112, 112), "blocks.0": (197, 768), "head": (1000,)}


def layers_of(shapes, pool, **signs):
    """Channels are last where there are tokens."""
    outputs = {name: Output(name, name, channel_axis=2 if len(shape) == 2 else 1) for name, shape in shapes.items()}
    return [Layer(outputs[name], shape, pool, signs.get(name, "error")) for name, shape in shapes.items()]


def test_bytes_of_each_layer():
    found = estimate(layers_of(SHAPES, "mean", stem="split"), 10)
    assert found == [
        LayerBytes("stem", (64, 112, 112), "mean", 4 * 10 * 2 * 64, 4 * 10 * 2 * 64 * 112 * 112, 4 * 10 * 2 * 64),
        LayerBytes("blocks.0", (197, 768), "mean", 4 * 10 * 768, 4 * 10 * 197 * 768, 4 * 10 * 768),
        LayerBytes("head", (1000,), "mean", 40_000, 40_000, 40_000),
    ]
    token = estimate(layers_of(SHAPES, "token"), 1)
    assert [one.n_bytes for one in token] == [4 * 112 * 112, 4 * 197, 4000]


def test_the_largest_are_named_and_the_rest_are_counted():
    shapes = {f"layer{number}": (number + 1, 10, 10) for number in range(13)}
    layers = estimate(layers_of(shapes, "whole"), 10**6)
    message = does_not_fit(layers, 2 * 10**9)
    lines = message.splitlines()
    assert lines[0] == "the activations take 36.4 GB, and 2 GB of memory are free for them:"
    assert lines[1] == "  'layer12' 13×10×10, whole: 5.2 GB; \"mean\" would make it 52 MB"
    assert [line.split("'")[1] for line in lines[1:11]] == [f"layer{number}" for number in range(12, 2, -1)]
    assert lines[11] == "  and 3 more: 2.4 GB"
    assert 'pool="mean"' in lines[-1]
    assert 'store="a folder"' in lines[-1]
    assert "more" not in does_not_fit(layers[:10], 1)


def test_a_layer_that_pooling_makes_no_smaller():
    assert "would" not in does_not_fit(estimate(layers_of({"head": (1000,)}, "whole"), 1), 1)


def test_sizes_as_people_read_them():
    assert [size(n) for n in (0, 1000, 999_999, 1_234_567, 5 * 10**13)] == ["0 B", "1 kB", "1 MB", "1.23 MB", "50 TB"]


def test_half_of_the_memory_is_for_rows():
    assert 0 < memory_for_rows() < available_memory() < machine_memory() * 1.5


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(str(text))
    return root


def test_what_the_machine_says(tmp_path):
    write(tmp_path, {"proc/meminfo": "MemTotal:       10 kB\nMemFree: 1 kB\nMemAvailable:      7 kB\n"})
    assert machine_memory(tmp_path) == 7 * 1024
    assert machine_memory(tmp_path / "nowhere") > 10**8, "all that there is"


STAT = "anon 5\ninactive_file 30\n"
V2 = {"proc/self/cgroup": "0::/a/b\n"}
A, B = "sys/fs/cgroup/a", "sys/fs/cgroup/a/b"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        (V2, None),
        (V2 | {f"{B}/memory.max": "max\n", f"{B}/memory.current": 9, f"{B}/memory.stat": STAT}, None),
        (V2 | {f"{B}/memory.max": 100, f"{B}/memory.current": 90, f"{B}/memory.stat": STAT}, 40),
        (
            V2
            | {f"{B}/memory.max": 1000, f"{B}/memory.current": 90, f"{B}/memory.stat": STAT}
            | {f"{A}/memory.max": 500, f"{A}/memory.current": 480, f"{A}/memory.stat": STAT},
            50,
        ),
        # In a container the group's own path is not there, and the mount is the group.
        (
            V2
            | {"sys/fs/cgroup/memory.max": 70, "sys/fs/cgroup/memory.current": 60, "sys/fs/cgroup/memory.stat": "a 1"},
            10,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/x\n",
                "sys/fs/cgroup/memory/x/memory.limit_in_bytes": 200,
                "sys/fs/cgroup/memory/x/memory.usage_in_bytes": 150,
                "sys/fs/cgroup/memory/x/memory.stat": "total_inactive_file 7\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": 9223372036854771712,
                "sys/fs/cgroup/memory/memory.usage_in_bytes": 150,
                "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 7\n",
            },
            57,
        ),
    ],
    ids=["no groups", "no limit there", "max", "own", "parent", "container", "version 1"],
)
def test_what_control_groups_leave(tmp_path, files, expected):
    assert group_memory(write(tmp_path, files)) == expected
    assert math.log2(UNLIMITED) == 60


def test_the_limit_of_a_process_counts():
    code = (
        "import resource; from cnn_probe.system.memory import available_memory, address_space\n"
        "assert address_space() is None or address_space() < 10**15\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 10**8, used + 10**8)); print(available_memory())"
    )
    if sys.platform != "linux":
        pytest.skip("Linux says what a process has of its address space")
    done = subprocess.run([sys.executable, "-c", code], env=with_tests(), capture_output=True, text=True, check=True)
    assert 9 * 10**7 < int(done.stdout) <= 10**8
