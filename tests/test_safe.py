"""The safetensors format without its library: what either writes the other reads, and both refuse the same."""

import builtins
import json
import random

import numpy as np
import pytest

from tinygrad_lstm import nn
from tinygrad_lstm.exchange import CheckpointError, from_torch, load, read, safe, save

ARRAYS = {
    f"{code} {name}\n\x1f中": np.arange(size).reshape(shape).astype(kind)
    for code, kind in safe.DTYPES.items()
    for name, size, shape in (("empty", 0, (0, 3)), ("scalar", 1, ()), ("cube", 12, (2, 3, 2)))
}
TEXT = {"format": "tinygrad_lstm", "σ": 'a "b"\n'}
ENTRY = '"dtype":"F32","shape":[1],"data_offsets":[0,4]'


@pytest.fixture
def without_the_library(monkeypatch):
    """As where safetensors has no build."""
    imported = builtins.__import__

    def refused(name, *rest):
        if name.partition(".")[0] == "safetensors":
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refused)


def file(header, data=b""):
    text = header if isinstance(header, bytes) else header.encode()
    return len(text).to_bytes(8, "little") + text + data


def entries(deserialize, data, error):
    """What a reader finds, in an order of its own; None where it refuses."""
    try:
        return sorted((name, x["dtype"], tuple(x["shape"]), bytes(x["data"])) for name, x in deserialize(data))
    except error:
        return None


def test_the_bytes_are_those_of_the_library():
    written = pytest.importorskip("safetensors.numpy").save
    for arrays, text in (
        (ARRAYS, {"one": "σ"}),
        (ARRAYS, None),
        ({}, None),
        ({"big": np.arange(3.0, dtype=">f8")}, None),
    ):
        assert safe.save(arrays, text) == written(
            {k: x.astype(x.dtype.newbyteorder("<")) for k, x in arrays.items()}, text
        )


def test_what_is_written_here_the_library_reads(tmp_path):
    library = pytest.importorskip("safetensors")
    (tmp_path / "m").write_bytes(safe.save(ARRAYS, TEXT))
    with library.safe_open(tmp_path / "m", framework="np") as opened:
        assert opened.metadata() == TEXT
        for name, array in ARRAYS.items():
            again = opened.get_tensor(name)
            assert again.dtype == array.dtype and again.shape == array.shape and np.array_equal(again, array)


def test_what_the_library_writes_is_read_here(tmp_path):
    pytest.importorskip("safetensors.numpy").save_file(ARRAYS, tmp_path / "m", TEXT)
    with safe.File(str(tmp_path / "m")) as opened:
        assert opened.metadata() == TEXT and {*opened.keys()} == {*ARRAYS}
        for name, array in ARRAYS.items():
            again = opened.get_tensor(name)
            assert again.dtype == array.dtype and again.shape == array.shape and np.array_equal(again, array)
    assert {name: bytes(x["data"]) for name, x in safe.deserialize((tmp_path / "m").read_bytes())} == {
        name: array.tobytes() for name, array in ARRAYS.items()
    }


def test_by_hand(tmp_path):
    """A file as the format's description has it, without any writer."""
    header = '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"a":"b"}}'
    (tmp_path / "m").write_bytes(file(header, bytes.fromhex("0000803f 000020c0")))
    with safe.File(str(tmp_path / "m")) as opened:
        assert opened.metadata() == {"a": "b"} and opened.get_tensor("w").tolist() == [1.0, -2.5]


def entry(dtype, shape, places, data=b"abcd"):
    """A file with one array, as its header has it."""
    return file(f'{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{places}}}}}', data)


CASES = {
    "no bytes": b"",
    "seven bytes": b"\2\0\0\0\0\0\0",
    "no header": file(""),
    "too long": (10**9).to_bytes(8, "little") + b"{}",
    "not JSON": file("{"),
    "deep": file("[" * 100_000),
    "a list": file("[]"),
    "NaN": file('{"w":NaN}'),
    "null": file('{"w":null}'),
    "not UTF-8": file(b'{"\xff":1}'),
    "half a letter": file('{"\\ud800":{' + ENTRY + "}}", b"abcd"),
    "no text": file('{"__metadata__":{"a":1}}'),
    "more behind": file("{}", b"x"),
    "negative": entry("F32", [-1], [4, 0], b""),
    "a fraction": entry("F32", [1.0], [0, 4]),
    "true": entry("F32", "[true]", [0, 4]),
    "three places": entry("F32", [1], [0, 4, 8]),
    "huge": entry("F32", [9999999999, 9999999999, 0], [0, 0], b""),
    "unknown": entry("f32", [1], [0, 4]),
    "wrong size": entry("F64", [1], [0, 4]),
    "too short": entry("F32", [1], [0, 4], b"abc"),
    "a gap": entry("F32", [1], [4, 8], b"abcdabcd"),
    "on each other": file('{"v":{' + ENTRY + '},"w":{' + ENTRY + "}}", b"abcd"),
}


@pytest.mark.parametrize("data", CASES.values(), ids=CASES)
def test_what_is_damaged_is_refused(data, tmp_path):
    with pytest.raises(safe.DamagedError) as caught:
        safe.deserialize(data)
    assert len(str(caught.value)) < 200 and "\n" not in str(caught.value)
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(safe.DamagedError):
        safe.File(str(tmp_path / "m"))
    library = pytest.importorskip("safetensors")
    with pytest.raises(library.SafetensorError):
        library.deserialize(data)


def test_damage_of_any_kind_is_judged_as_by_the_library():
    library = pytest.importorskip("safetensors")
    whole = safe.save({"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(3)}, {"m": "t"})
    rng, header, accepted = random.Random(0), int.from_bytes(whole[:8], "little"), 0
    for _ in range(4000):
        data = bytearray(whole)
        kind = rng.randrange(4)
        if kind == 0:
            data = data[: rng.randrange(len(data))]
        elif kind == 1:
            data[rng.randrange(8)] = rng.randrange(256)
        else:
            for _ in range(kind - 1):
                data[8 + rng.randrange(header)] = rng.choice(b'0123456789{}[],:"\\ -.eEnultrFU\xff')
        ours = entries(safe.deserialize, bytes(data), safe.DamagedError)
        assert ours == entries(library.deserialize, bytes(data), library.SafetensorError), bytes(data)
        accepted += ours is not None
    assert 20 < accepted < 2000


def test_a_name_that_stands_twice_is_refused():
    with pytest.raises(safe.DamagedError, match="'w' stands there twice"):
        safe.deserialize(file('{"w":{' + ENTRY + '},"w":{' + ENTRY + "}}", b"abcd"))


def test_dtypes_that_are_not_there(tmp_path):
    with pytest.raises(TypeError, match="save: z has dtype complex128, which a safetensors file cannot hold"):
        safe.save({"z": np.zeros(2, complex)})
    (tmp_path / "m").write_bytes(file('{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}', b"\x80\x3f"))
    with safe.File(str(tmp_path / "m")) as opened, pytest.raises(safe.DamagedError, match="w is stored as BF16"):
        opened.get_tensor("w")


def test_checkpoints_without_the_library(tmp_path, without_the_library):
    assert safe.library() is safe.OURS
    path, rng = tmp_path / "m.safetensors", np.random.default_rng(0)
    first, second = nn.LSTM(2, 3, rng=rng), nn.LSTM(2, 3, rng=rng)
    extra = {"a/int": np.arange(3), "a/scalar": np.array(2.5), "a/t": np.eye(3)[:, :2].T}
    save(path, first, {"σ": [1]}, extra=extra)
    assert load(path, second) == {"σ": [1]}
    assert all(np.array_equal(x, second.state_dict()[name]) for name, x in first.state_dict().items())
    arrays = read(path).arrays
    assert all(np.array_equal(x, arrays[name]) and arrays[name].dtype == x.dtype for name, x in extra.items())
    arrays["a/int"][0] = 7  # ours to change, as the library's are
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="the arrays do not end where the file ends"):
        load(path)
    path.write_bytes(safe.save(first.state_dict()))
    with pytest.raises(CheckpointError, match="not one that tinygrad_lstm has written"):
        load(path)


def test_weights_of_pytorch_without_the_library(tmp_path, without_the_library):
    path, rng = tmp_path / "m.safetensors", np.random.default_rng(0)
    shapes = {"weight_ih_l0": (12, 2), "weight_hh_l0": (12, 3), "bias_ih_l0": (12,), "bias_hh_l0": (12,)}
    state = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    path.write_bytes(safe.save(state))
    net = from_torch(path)
    assert net.cells[0][0].W_f.numpy()[3:].T.tolist() == state["weight_ih_l0"][3:6].tolist()
    half = {name: (x.view(np.uint32) >> 16).astype(np.uint16) for name, x in state.items()}
    header, _, rest = safe.save(half).partition(b"}}")
    path.write_bytes(file(json.dumps(json.loads(header[8:] + b"}}")).replace("U16", "BF16"), rest.lstrip(b" ")))
    with pytest.warns(UserWarning, match="half precision"):
        net = from_torch(path)
    assert np.allclose(net.cells[0][0].W_f.numpy()[3:].T, state["weight_ih_l0"][3:6], rtol=1 / 128)
