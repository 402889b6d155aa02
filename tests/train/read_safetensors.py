"""read_safetensors.py WRITER -- a checkpoint, read without any of Sluice's code.

WRITER is the program that writes one. Only the standard library: the format is read from
its published description, the checksum from its definition."""
import array
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.dont_write_bytecode = True
from formats import crc32c, safetensors


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "one.safetensors")
        subprocess.run([sys.argv[1], path], check=True)
        assert os.listdir(folder) == ["one.safetensors"], os.listdir(folder)
        raw, header, data = safetensors(path)
    meta = header.pop("__metadata__")
    assert all(isinstance(text, str) for text in meta.values()), meta
    assert meta["format"] == "pt" and meta["model"] == "mlp", meta
    assert meta["seed"] == str(2**64 - 1) and float(meta["best_accuracy"]) == 0.1, meta
    assert meta["extra"] == '{"a": "\\\\ \x01 \u00e9"}', meta
    zeroed = raw.replace(meta["crc32c"].encode(), b"00000000", 1)
    assert int(meta["crc32c"], 16) == crc32c(zeroed), meta["crc32c"]

    end = 0
    for name, entry in sorted(header.items(), key=lambda e: e[1]["data_offsets"]):
        begin, stop = entry["data_offsets"]
        count = 1
        for size in entry["shape"]:
            count *= size
        assert begin == end and stop - begin == 4 * count, (name, entry)
        assert entry["dtype"] == "F32", (name, entry)
        end = stop
    assert end == len(data), (end, len(data))

    names = [name for name in header if not name.startswith("optimizer.")]
    params = [n for n in names if "running" not in n]
    for wanted, shape in {"conv1.weight": [4, 3, 3, 3], "bn1.weight": [4],
                          "bn1.bias": [4], "bn1.running_mean": [4],
                          "bn1.running_var": [4], "res1.conv2.weight": [8, 8, 3, 3],
                          "fc.weight": [10, 8]}.items():
        assert header[wanted]["shape"] == shape, (wanted, header.get(wanted))
    for name in params:
        assert header["optimizer.sgd.momentum." + name]["shape"] == header[name]["shape"]
    for number, name in enumerate(params):
        begin, stop = header[name]["data_offsets"]
        values = array.array("f", data[begin:stop])
        assert all(v == number * 1000 + k for k, v in enumerate(values)), name
    print(len(names), "tensors")


main()
