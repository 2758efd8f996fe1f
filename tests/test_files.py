"""Files: bounded reads of plain files inside their roots, and writes that are whole or nothing."""

import os
import stat
from pathlib import Path

import pytest

from kvplan.errors import SpecError
from kvplan.files import MAX_TEXT_BYTES, find_yaml, read_bytes, roots_of, write_text


def refusal(call, *args, **options) -> tuple[str, str]:
    with pytest.raises(SpecError) as caught:
        call(*args, **options)
    (finding,) = caught.value.findings
    assert finding.help
    return finding.rule, finding.message


def test_reads_the_bytes_of_a_file(tmp_path):
    (tmp_path / "w.yaml").write_bytes(b"kvplan: 1\r\n\xff")
    assert read_bytes(tmp_path / "w.yaml") == b"kvplan: 1\r\n\xff"


def test_findings_name_the_file_as_it_was_typed(tmp_path):
    with pytest.raises(SpecError) as caught:
        read_bytes(tmp_path / "w.yaml", name="./w.yaml")
    assert (caught.value.findings[0].file, caught.value.findings[0].message) == (
        "./w.yaml",
        "./w.yaml cannot be read: no such file or directory",
    )


@pytest.mark.parametrize("name", ["missing.yaml", "missing/w.yaml", "x" * 5000, "nul\0byte"])
def test_refuses_a_path_that_leads_nowhere(tmp_path, name):
    rule, message = refusal(read_bytes, tmp_path / name, name="w")
    assert rule == "KV016"
    assert message.startswith("w cannot be read: ")


def test_refuses_a_folder_by_its_kind(tmp_path):
    assert refusal(read_bytes, tmp_path, name="w") == ("KV016", "w is a folder, not a file")


def test_a_refused_folder_leaves_no_descriptor_open(tmp_path):
    before = os.open(tmp_path, os.O_RDONLY)
    os.close(before)
    assert refusal(read_bytes, tmp_path, name="w")[0] == "KV016"
    after = os.open(tmp_path, os.O_RDONLY)  # the lowest free descriptor: the same one, where none is left open
    os.close(after)
    assert after == before


def test_refuses_a_pipe_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(read_bytes, tmp_path / "pipe", name="w") == ("KV016", "w is a pipe, not a file")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_refuses_a_device(device):
    if not Path(device).is_char_device():
        pytest.skip(f"no {device} here")
    assert refusal(read_bytes, Path(device), name="w") == ("KV016", "w is a device or socket, not a file")


def test_refuses_a_loop_of_links(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    rule, message = refusal(read_bytes, tmp_path / "a", name="w")
    assert rule == "KV016"
    assert message.startswith("w cannot be read: ")


def test_refuses_a_file_without_permission(tmp_path):
    file = tmp_path / "w.yaml"
    file.write_text("kvplan: 1\n")
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read everything")
    assert refusal(read_bytes, file, name="w") == ("KV016", "w cannot be read: permission denied")


def test_refuses_a_plain_file_whose_read_fails():
    memory = Path("/proc/self/mem")  # a plain file whose first page is not mapped
    if not memory.is_file():
        pytest.skip("no /proc here")
    assert refusal(read_bytes, memory, name="w") == ("KV016", "w cannot be read: input/output error")


@pytest.mark.parametrize(("size", "limit"), [(9, 8), (MAX_TEXT_BYTES + 1, MAX_TEXT_BYTES)])
def test_refuses_a_byte_more_than_the_limit(tmp_path, size, limit):
    (tmp_path / "w").write_bytes(b"x" * size)
    assert refusal(read_bytes, tmp_path / "w", name="w", limit=limit) == (
        "KV004",
        f"w is larger than {limit:,} bytes",
    )


def test_reads_a_file_of_exactly_the_limit(tmp_path):
    (tmp_path / "w").write_bytes(b"x" * 8)
    assert read_bytes(tmp_path / "w", limit=8) == b"x" * 8


@pytest.fixture
def house(tmp_path) -> Path:
    (tmp_path / "inside" / "below").mkdir(parents=True)
    (tmp_path / "inside-too").mkdir()
    for name in ("inside/a", "inside/below/b", "outside", "inside-too/c"):
        (tmp_path / name).write_text(name)
    (tmp_path / "inside/out").symlink_to(tmp_path / "outside")
    (tmp_path / "inside/in").symlink_to(tmp_path / "inside/below/b")
    return tmp_path


@pytest.mark.parametrize("name", ["inside/a", "inside/below/b", "inside/in", "inside/below/../a"])
def test_reads_inside_the_roots(house, name):
    assert read_bytes(house / name, roots=[house / "nowhere", house / "inside"])


@pytest.mark.parametrize(
    "name", ["outside", "inside/out", "inside/../outside", "inside-too/c"]
)  # plainly, by a link, by dots, by a name that begins alike
def test_refuses_outside_the_roots(house, name):
    assert refusal(read_bytes, house / name, name="w", roots=[house / "inside"]) == (
        "KV016",
        "w lies outside the folder of the workload",
    )


def test_writes_a_new_file_and_over_an_old_one(tmp_path):
    for text in ("first é漢\n", "second\n"):
        write_text(tmp_path / "out.json", text)
        assert (tmp_path / "out.json").read_text(encoding="utf-8") == text
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "out", "")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("out", "plain")]
    assert modes[0] == modes[1]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    (tmp_path / "out").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "out", "half of it \ud800")
    assert (tmp_path / "out").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_refuses_to_write_over_a_folder(tmp_path):
    (tmp_path / "out").mkdir()
    rule, message = refusal(write_text, tmp_path / "out", "x")
    assert (rule, "cannot be written" in message) == ("KV016", True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_refuses_to_write_into_a_missing_folder(tmp_path):
    rule, message = refusal(write_text, tmp_path / "missing" / "out", "x")
    assert (rule, message) == ("KV016", f"{tmp_path / 'missing' / 'out'} cannot be written: no such file or directory")


def test_writing_does_not_replace_a_pipe_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(tmp_path / "pipe", "x")
    except SpecError:
        pass
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_finds_yaml_below_a_folder_in_a_stable_order(tmp_path):
    for name in ("b.yaml", "a.yml", "c.json", "d/e.yaml", ".hidden/f.yaml", "d/.g/h.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert [str(path.relative_to(tmp_path)) for path in find_yaml(tmp_path)] == ["a.yml", "b.yaml", "d/e.yaml"]


def test_paths_inside_a_file_stay_in_its_folder_or_the_current_one_around_it(tmp_path, monkeypatch):
    folder = tmp_path / "repository" / "workloads"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repository")
    assert roots_of(folder) == (folder, tmp_path / "repository")
    for home in (tmp_path / "repository", tmp_path):
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.chdir(home)
        assert roots_of(folder) == (folder,)  # a home is no repository
    monkeypatch.chdir("/")
    assert roots_of(folder) == (folder,)


def test_a_refusal_outside_does_not_tell_what_is_there(tmp_path):
    (tmp_path / "there").write_text("x")
    inside = tmp_path / "inside"
    inside.mkdir()
    messages = set()
    for name in ("there", "not-there"):
        with pytest.raises(SpecError) as caught:
            read_bytes(tmp_path / name, name="n", roots=(inside,))
        messages.add(caught.value.findings[0].message)
    assert len(messages) == 1
