"""Files: what is saved comes back; what is damaged, foreign or for another module is refused and changes nothing."""

import errno
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from tinygrad_lstm import nn
from tinygrad_lstm.exchange import CheckpointError, check_place, checkpoint, load, read, read_meta, safe, save
from tinygrad_lstm.exchange.files import _is_over

META = {"cell": "lstm", "hidden": 3, "vocabulary": ["a", "σ", "\n", '"'], "nested": {"x": [1, 2.5, None, True]}}


def module(seed=0, hidden=3):
    return nn.LSTM(2, hidden, rng=np.random.default_rng(seed))


def values(m):
    return {name: array.copy() for name, array in m.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.safetensors"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_round_trip(path, dtype):
    first, second = module(0).astype(dtype), module(1)
    extra = {"a/int": np.arange(3), "a/scalar": np.array(2.5), "a/empty": np.zeros((0, 2)), "a/t": np.eye(3)[:, :2].T}
    save(path, first, META, extra=extra)
    assert load(path, second) == load(path) == read_meta(path) == META
    assert same(values(first), values(second))
    arrays = read(path).arrays
    assert same({k: v for k, v in arrays.items() if "/" in k}, extra)
    assert os.listdir(path.parent) == [path.name]


def test_other_programs_can_read_it(path):
    safe_open = pytest.importorskip("safetensors").safe_open
    save(path, module(), META)
    with safe_open(path, framework="np") as file:
        assert same({k: file.get_tensor(k) for k in file.keys()}, values(module()))  # noqa: SIM118
        assert json.loads(file.metadata()["meta"]) == META


def test_every_damage_is_noticed(path):
    """Each prefix, and each byte changed: an error, or (where JSON does not mind) the very same contents."""
    save(path, nn.Linear(2, 2, rng=np.random.default_rng(0)), META)
    whole, (_, arrays, meta), refused = path.read_bytes(), read(path), 0
    for k in range(0, len(whole), 3):
        for data in (whole[:k], whole[:k] + bytes([whole[k] ^ 1]) + whole[k + 1 :]):
            path.write_bytes(data)
            try:
                _, again, meta_again = read(path)
            except CheckpointError as exc:
                refused += 1
                assert str(path) in str(exc) and "\n" not in str(exc)
            else:
                assert same(arrays, again) and meta_again == meta
    assert refused > len(whole) / 3


def test_foreign_files(path):
    path.write_bytes(safe.save(module().state_dict()))
    with pytest.raises(CheckpointError, match="not one that tinygrad_lstm has written"):
        load(path)
    path.write_text("hello")
    with pytest.raises(CheckpointError, match="damaged, or no safetensors file"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="damaged"):
        load(path)
    with pytest.raises(FileNotFoundError, match="cannot be read"):
        load(path.with_name("nothing"))
    with pytest.raises(IsADirectoryError, match="cannot be read"):
        load(path.parent)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (module(1, hidden=4), r"made for another module .*W_f is \(6, 4\) here, but \(5, 3\) there"),
        (nn.GRU(2, 3, rng=np.random.default_rng(0)), "made for another module .*missing"),
    ],
    ids=["shapes", "names"],
)
def test_a_file_for_another_module_changes_nothing(path, other, message):
    save(path, module(), META)
    before = values(other)
    with pytest.raises(CheckpointError, match=message):
        load(path, other)
    assert same(before, values(other))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "[" * 100_000, '{"a":' * 100_000, '{"a": ' + "[" * 101 + "]" * 101 + "}"]
)
def test_a_forged_meta_is_refused(path, text):
    """With the digest that belongs to it."""
    arrays = module().state_dict()
    header = {"format": "tinygrad_lstm", "version": "1", "meta": text, "digest": checkpoint._digest(arrays, text)}
    path.write_bytes(safe.save(arrays, header))
    with pytest.raises(CheckpointError, match=r"damaged \(its meta is not what was written"):
        read_meta(path)


def test_meta_may_be_nested_and_hold_what_is_not_finite(path):
    meta = {"losses": [1.0, float("inf")], "deep": json.loads("[" * 99 + "]" * 99), "signs": '[{"' * 200 + "\\"}
    save(path, module(), meta)
    assert read_meta(path) == meta


def test_later_format(path, monkeypatch):
    monkeypatch.setattr("tinygrad_lstm.exchange.checkpoint.VERSION", 2)
    save(path, module())
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="format version 2, this is version 1"):
        load(path)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("before", [True, False])
def test_full_disk(path, monkeypatch, call, before):
    if before:
        save(path, module(0))

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match=r"m\.safetensors: cannot be written \(No space left on device\)") as caught:
        save(path, module(1))
    assert caught.value.errno == errno.ENOSPC and "\n" not in str(caught.value)
    assert os.listdir(path.parent) == ([path.name] if before else [])
    if before:
        assert same(read(path).arrays, values(module(0)))


def test_ctrl_c_while_writing_leaves_nothing(path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        save(path, module())
    assert os.listdir(path.parent) == []


def test_places_that_cannot_be_written(path, tmp_path, monkeypatch):
    for place, message in (
        (tmp_path / "nowhere" / "m", "no such folder"),
        (tmp_path, "is a folder"),
        ("/dev/null", "no ordinary file"),
    ):
        for attempt in (check_place, lambda place: save(place, module())):
            with pytest.raises(OSError, match=message):
                attempt(place)
    assert not os.path.isfile("/dev/null")

    def refuse(file, mode, *rest):
        raise PermissionError(errno.EACCES, "Permission denied", file)

    monkeypatch.setattr("builtins.open", refuse)
    for attempt in (check_place, lambda place: save(place, module())):
        with pytest.raises(PermissionError, match=r"cannot be written \(Permission denied\)"):
            attempt(path)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []


def test_check_place_protects_files_of_others(path):
    path.write_text("my thesis")
    with pytest.raises(CheckpointError, match="would be overwritten"):
        check_place(path)
    assert path.read_text() == "my thesis"
    path.unlink()
    save(path, module())
    check_place(path)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a process cannot be asked")
def test_a_temporary_file_is_left_over_when_its_process_is_gone_or_an_hour_old(tmp_path):
    left = tmp_path / "left.tmp"
    left.write_text("")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert _is_over(str(left), str(gone.pid)) and not _is_over(str(left), str(os.getpid()))
    assert _is_over(str(left), "9" * 30), "a number that no process has"
    os.utime(left, (time.time() - 3601,) * 2)
    assert _is_over(str(left), str(os.getpid()))
    assert not _is_over(str(tmp_path / "renamed since"), str(gone.pid))


def test_a_link_stays_a_link(path):
    link = path.with_name("latest.safetensors")
    link.symlink_to(path.name)
    save(link, module())
    assert link.is_symlink() and load(path) == {}


def test_bad_meta_and_names(path):
    with pytest.raises(TypeError, match="JSON cannot hold meta"):
        save(path, module(), {"x": object()})
    with pytest.raises(ValueError, match="each of those needs one"):
        save(path, module(), extra={"x": np.ones(2)})
    assert not path.exists()
