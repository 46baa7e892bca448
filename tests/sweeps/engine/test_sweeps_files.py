"""Claims about the files of a sweep: who only reads changes nothing, no last word is missed, a full disk is one clear error."""

import json
import os
from pathlib import Path

import pytest

from sweeps.engine.files import Disk
from sweeps.engine.seam import Attempt, SweepError
from sweeps.plan.jobs import Job


def test_who_only_reads_a_journal_leaves_a_line_alone_that_the_controller_is_writing(tmp_path):
    watcher = Disk(tmp_path, "mine")
    watcher.path.write_text('{"event": "end"}\n{"event": "beg')
    assert len(watcher.journal()) == 1
    assert watcher.path.read_text() == '{"event": "end"}\n{"event": "beg'
    watcher.append([{"event": "begin"}])  # it is the controller now, and the line was a dead one's
    watcher.append([{"event": "end"}])
    assert watcher.path.read_text().splitlines()[1:] == ['{"event": "beg', '{"event": "begin"}', '{"event": "end"}']
    watcher.close()


def test_the_last_word_is_heard_where_the_clock_of_the_file_system_ticks_in_seconds(tmp_path):
    disk = Disk(tmp_path, "mine")
    file = tmp_path / "runs" / "a" / "attempts" / "0001.json"
    file.parent.mkdir(parents=True)

    def write(**record):
        aside = file.with_name("aside")
        aside.write_text(json.dumps(record))
        os.utime(aside, (1000, 1000))
        os.replace(aside, file)

    write(tag="t", outcome="")
    first = disk.record("a", 1, None)
    assert disk.record("a", 1, first) is first
    write(tag="t", outcome="failed")
    assert disk.record("a", 1, first).outcome == "failed"
    disk.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_error_that_names_the_file(tmp_path):
    disk = Disk(tmp_path, "mine")
    disk.file.close()
    told = pytest.raises(SweepError, match=r"attempts\.jsonl \(No space left.*same command")
    with Path("/dev/full").open("wb", buffering=0) as disk.file, told:
        disk.append([{"event": "begin"}])
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(SweepError, match=r"runs/a/job\.json"):
        disk.prepare(Attempt(Job("a", "a", {}), 1, tmp_path / "runs" / "a", "t", {}))
