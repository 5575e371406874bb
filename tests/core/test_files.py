"""Files are wholly there or absent, and facts are true."""

import json
import platform
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from headstart.core.files import Records, StoreError, lock, read_json, write_json, write_text
from headstart.experiments.running.metadata import computed_on, hardware


def test_records_drop_a_line_cut_short_and_go_on(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"step": 0}\n{"step": 1}\n{"st')
    records = Records(path)
    assert records.rows == [{"step": 0}, {"step": 1}]
    records.append({"step": 2})
    assert path.read_text() == '{"step": 0}\n{"step": 1}\n{"step": 2}\n'
    assert Records(path).rows == [{"step": 0}, {"step": 1}, {"step": 2}]


def test_an_edited_record_is_an_error_with_its_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"step": 0}\nhello\n')
    with pytest.raises(StoreError, match="line 2"):
        Records(path)


def test_nan_is_never_recorded(tmp_path):
    records = Records(tmp_path / "rows.jsonl")
    with pytest.raises(ValueError, match="JSON"):
        records.append({"return": float("nan")})
    assert records.rows == []


@contextmanager
def full_disk():
    """Let no file grow beyond 64 bytes, as a full disk would.

    Not a fixture: the limit would hold while pytest writes its own output, too.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_old_file_and_no_half_of_the_new(tmp_path):
    path = tmp_path / "facts.json"
    write_json(path, {"a": 1})
    with full_disk(), pytest.raises(StoreError, match="cannot write"):
        write_text(path, "x" * 1_000)
    assert read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["facts.json"]


def test_a_full_disk_leaves_no_half_line(tmp_path):
    records = Records(tmp_path / "rows.jsonl")
    records.append({"step": 0})
    with full_disk(), pytest.raises(StoreError, match="cannot write"):
        records.append({"step": 1, "returns": [0.5] * 100})
    assert records.path.read_text() == '{"step": 0}\n'
    assert records.rows == [{"step": 0}]


def test_a_directory_is_locked_for_others_and_freed_by_the_end_of_the_process(tmp_path):
    script = (
        "import sys; from headstart.core.files import StoreError, lock\n"
        "from pathlib import Path\n"
        "try:\n    held = lock(Path(sys.argv[1]))\n"
        "except StoreError as error:\n    print(error); sys.exit(3)\n"
        "print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match="in use by another headstart process"):
            lock(tmp_path)
        other.kill()
    lock(tmp_path).release()


def test_unreadable_json_is_named(tmp_path):
    path = tmp_path / "status.json"
    assert read_json(path) is None
    path.write_text("{")
    with pytest.raises(StoreError, match="cannot read"):
        read_json(path)
    path.write_text(json.dumps([1]))
    with pytest.raises(StoreError, match="no JSON object"):
        read_json(path)


CPUINFO = (
    "model name\t: EPYC\ncpu family\t: 25\nmodel\t\t: {}\nflags\t\t: fpu avx {}\n\nmodel\t: 9\n"
)


def test_processors_of_one_name_that_round_differently_are_told_apart(monkeypatch):
    def processor(text):
        monkeypatch.setattr(Path, "read_text", lambda self: text)
        return hardware()["processor"]

    milan, genoa = CPUINFO.format(1, "avx2"), CPUINFO.format(17, "avx2 avx512f")
    assert processor(milan) == "EPYC (cpu family 25, model 1, avx2)"
    assert processor(genoa) == "EPYC (cpu family 25, model 17, avx512f)"
    assert processor("processor\t: 0\n") == (platform.processor() or "unknown")


def test_what_is_computed_on_is_named(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert computed_on("auto") == computed_on("cpu") == f"cpu: {hardware()['processor']}"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"GPU of {device}")
    assert computed_on("auto") == "cuda: GPU of cuda"
    assert computed_on("cuda:1") == "cuda: GPU of cuda:1"


def test_halves_of_surrogates_lose_no_file(tmp_path):
    write_text(tmp_path / "report.html", "a\ud800")
    assert (tmp_path / "report.html").read_text() == "a\\ud800"
