"""Official files become mapped arrays of the right images, or one line says what is wrong and nothing is left."""

import errno
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import official_sets as sets
import pytest
import torch
from PIL import Image
from places import ROOT
from specs import source

from bench import data, prepare, run
from bench.config import ConfigError
from bench.data import manifest
from bench.preparing import pickles, recipes, writer


def made(out: Path, name: str, path: Path, *options: str) -> data.Dataset:
    assert prepare.main([name, "--source", str(path), "--out", str(out), "--workers", "1", *options]) == 0
    return loaded(name, out)


def loaded(name: str, out: Path, **options: object) -> data.Dataset:
    kind = "prepared" if name in ("folder", "arrays") else name
    return data.load(source({"name": kind, "path": str(out), **options}))


def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, path: Path, *options: str) -> str:
    """The one line; nothing is left where it would have been prepared."""
    out = tmp_path / "out"
    assert prepare.main([name, "--source", str(path), "--out", str(out), "--workers", "1", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1, said
    assert not out.exists() and not [p for p in tmp_path.iterdir() if p.name.startswith(".out")]
    return said


SUBSET = ("--count", "40", "--heldout-count", "6")


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("packed", ["folder", "zips", "tar"])
def test_pickled_batches_become_planes_with_labels_from_zero(tmp_path: Path, side: int, packed: str) -> None:
    """Written by protocols 2 to 5 of pickle."""
    folder = sets.batches(tmp_path / "in", side)
    files = {f.name: f.read_bytes() for f in folder.iterdir()}
    if packed == "zips":
        folder = tmp_path / "zips"
        sets.zipped(folder / "train_part1.zip", {n: c for n, c in files.items() if n != "val_data"})
        sets.zipped(folder / "val.zip", {"val_data": files["val_data"]}, zipfile.ZIP_STORED)
    elif packed == "tar":
        folder = sets.tarred(tmp_path / "all.tar", files)
    found = made(tmp_path / "out", f"imagenet{side}", folder, *SUBSET)
    assert found.train.dtype == torch.uint8 and found.shape == (3, side, side) and not found.flip
    assert np.array_equal(found.train.numpy(), sets.pixels(40, 3 * side * side).reshape(-1, 3, side, side))
    assert np.array_equal(found.heldout.numpy(), sets.pixels(6, 3 * side * side, seed=1).reshape(-1, 3, side, side))
    assert found.labels is not None and found.labels.tolist() == list(range(40))
    assert found.heldout_labels is not None and found.heldout_labels.dtype == torch.long


@pytest.mark.parametrize("packed", ["folder", "zip", "tar"])
@pytest.mark.parametrize(("more", "streamed"), [({}, 3), ({"more": np.zeros(80_000, np.uint8)}, 0)], ids=["usual", "odd"])
def test_large_pixels_are_left_in_the_file_until_they_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: str, more: dict[str, object], streamed: int
) -> None:
    """By protocols 3 to 5; a file of protocol 2, or in which something else is large, is read whole, to the same pixels."""
    folder = sets.batches(tmp_path / "in", 32, 96, files=4, **more)
    files = {f.name: f.read_bytes() for f in folder.iterdir()}
    if packed != "folder":
        folder = (sets.zipped if packed == "zip" else sets.tarred)(tmp_path / f"all.{packed}", files)
    seen = list[object]()
    original = pickles._streamed
    monkeypatch.setattr(pickles, "LARGE", 70_000)
    monkeypatch.setattr(pickles, "ROWS", 7)
    monkeypatch.setattr(pickles, "_streamed", lambda *about: seen.append(about) or original(*about))
    found = made(tmp_path / "out", "imagenet32", folder, "--count", "96", "--heldout-count", "6")
    assert np.array_equal(found.train.numpy().reshape(96, -1), sets.pixels(96, 3072)) and len(seen) == streamed
    assert found.labels is not None and found.labels.tolist() == list(range(96))


def test_a_subset_is_the_first_or_evenly_from_all_over_and_says_so(tmp_path: Path) -> None:
    found = made(tmp_path / "a", "imagenet32", sets.batches(tmp_path / "in", 32), "--count", "16", "--heldout-count", "3")
    assert np.array_equal(found.train.numpy().reshape(16, -1), sets.pixels(40, 3072)[:16]) and len(found.heldout) == 3
    assert "a subset of the official set" in data.inspect(source({"name": "imagenet32", "path": str(tmp_path / "a")})).text
    spread = made(tmp_path / "b", "afhq64", sets.spilled(tmp_path / "afhq", sets.animals()), "--count", "16")
    assert spread.labels is not None and len(spread.labels.unique()) == 3


@pytest.mark.parametrize("version", ["adm-crop", "lanczos-crop"])
def test_full_size_images_are_cropped_as_the_papers_do(tmp_path: Path, version: str) -> None:
    """From the official tars, one of them of tars, and from folders, to the same pixels."""
    tars = made(tmp_path / "a", "imagenet64", sets.ilsvrc(tmp_path / "tars"), "--version", version, "--count", "20",
                "--heldout-count", "4")
    files = {f"train/{name}": content for name, content in sets.photographs().items()}
    files |= {f"val/n00000002/{i}.JPEG": sets.encoded(sets.smooth(90, 80, i), "JPEG") for i in range(4)}
    folders = made(tmp_path / "b", "imagenet64", sets.spilled(tmp_path / "in", files), "--version", version, "--count", "20",
                   "--heldout-count", "4")
    assert torch.equal(tars.train, folders.train) and torch.equal(tars.heldout, folders.heldout)
    assert tars.labels is not None and tars.labels.tolist() == [c for c in range(4) for _ in range(5)]
    assert tars.heldout_labels is None and folders.heldout_labels is not None and folders.heldout_labels.tolist() == [1] * 4
    with Image.open(tmp_path / "in" / "train" / "n00000001" / "n00000001_0.JPEG") as opened:
        image = opened.convert("RGB")  # 200 x 150
    if version == "adm-crop":
        image = image.resize((100, 75), Image.Resampling.BOX).resize((85, 64), Image.Resampling.BICUBIC).crop((10, 0, 74, 64))
    else:
        image = image.crop((25, 0, 175, 150)).resize((64, 64), Image.Resampling.LANCZOS)
    assert np.array_equal(tars.train[0].permute(1, 2, 0).numpy(), np.asarray(image))


def test_published_small_images_are_taken_as_they_are(tmp_path: Path) -> None:
    images = {f"train_32x32/{i:07d}.png": sets.encoded(sets.pixels(32, 32, 3, seed=i)) for i in range(20)}
    sets.zipped(tmp_path / "in" / "train_32x32.zip", images)
    held = {f"valid_32x32/{i}.png": sets.encoded(sets.pixels(32, 32, 3, seed=50 + i)) for i in range(3)}
    sets.zipped(tmp_path / "in" / "valid_32x32.zip", held)
    found = made(tmp_path / "out", "imagenet32", tmp_path / "in", "--version", "oord", "--count", "20", "--heldout-count", "3")
    assert found.labels is None
    assert np.array_equal(found.train[7].permute(1, 2, 0).numpy(), sets.pixels(32, 32, 3, seed=7))


def test_faces_follow_the_partition_and_are_area_averages_of_the_centre(tmp_path: Path) -> None:
    found = made(tmp_path / "out", "celeba64", sets.faces(tmp_path / "in"), "--count", "20", "--heldout-count", "4")
    assert (len(found.train), len(found.heldout), found.labels) == (20, 4, None)
    with zipfile.ZipFile(tmp_path / "in" / "img_align_celeba.zip") as archive:
        faces = [np.asarray(Image.open(archive.open(f"img_align_celeba/{i:06d}.jpg"))) for i in (1, 24)]
    for image, stored in zip(faces, (found.train[0], found.heldout[0]), strict=True):
        centre = torch.from_numpy(image[39:179, 19:159].copy()).double().permute(2, 0, 1)
        fine = centre.repeat_interleave(16, 1).repeat_interleave(16, 2)  # 2,240 = 35 x 64: an area average of whole pixels
        exact = fine.reshape(3, 64, 35, 64, 35).mean((2, 4))
        assert torch.equal(stored, exact.round().to(torch.uint8)), "to the nearest"
        assert (stored.double() - exact).abs().max() <= 0.5


def test_the_partition_may_be_a_csv(tmp_path: Path) -> None:
    folder = sets.faces(tmp_path / "in")
    lines = (folder / "list_eval_partition.txt").read_text().replace(" ", ",")
    first = made(tmp_path / "a", "celeba64", folder, "--count", "20").hash
    (folder / "list_eval_partition.txt").unlink()
    (folder / "list_eval_partition.csv").write_text("image_id,partition\n" + lines)
    assert made(tmp_path / "b", "celeba64", folder, "--count", "20").hash == first


@pytest.mark.parametrize("version", ["v2-area", "v2-lanczos"])
def test_animals_are_all_trained_on_unless_the_official_split_is_asked_for(tmp_path: Path, version: str) -> None:
    archive = sets.zipped(tmp_path / "afhq_v2.zip", sets.animals())
    every = made(tmp_path / "a", "afhq64", archive, "--version", version, "--count", "27")
    assert (len(every.train), len(every.heldout)) == (27, 0)
    assert every.labels is not None and every.labels.bincount().tolist() == [9, 9, 9]
    apart = made(tmp_path / "b", "afhq64", archive, "--version", version, "--split", "official", "--count", "21",
                 "--heldout-count", "6")
    assert (len(apart.train), len(apart.heldout)) == (21, 6) and apart.hash != every.hash
    image = sets.smooth(512, 512, 0)  # train/cat/0000.png
    if version == "v2-area":
        wanted = image.reshape(64, 8, 64, 8, 3).mean((1, 3)).round()
    else:
        wanted = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.LANCZOS))
    assert np.array_equal(apart.train[0].permute(1, 2, 0).numpy(), wanted)


@pytest.mark.parametrize(("size", "side"), [(140, 64), (512, 64), (7, 3), (5, 5), (64, 32), (9, 4)])
def test_area_shares_sum_to_one_and_keep_the_mean(size: int, side: int) -> None:
    image = sets.pixels(size, size, 3)
    assert abs(recipes.area(image, side).mean() - image.mean()) < 0.5
    assert np.array_equal(recipes.area(np.full((size, size, 1), 77, np.uint8), side), np.full((side, side, 1), 77))


def test_several_processes_write_what_one_does(tmp_path: Path) -> None:
    """Many pieces of work, more than are made ahead."""
    images = {f"{part}_32x32/{i:07d}.png": sets.encoded(sets.pixels(32, 32, 3, seed=i))
              for part, count in (("train", 1200), ("valid", 3)) for i in range(count)}
    archive = sets.zipped(tmp_path / "in.zip", images)
    options = ("--version", "oord", "--count", "1200", "--heldout-count", "3")
    one = made(tmp_path / "a", "imagenet32", archive, *options)
    assert made(tmp_path / "b", "imagenet32", archive, *options, "--workers", "2").hash == one.hash
    assert np.array_equal(one.train[999].permute(1, 2, 0).numpy(), sets.pixels(32, 32, 3, seed=999))


def test_ones_own_folder_and_array_are_those_of_their_plain_sources(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for i in range(30):
        Image.fromarray(sets.smooth(20 + i % 3, 24, i)).save(tmp_path / "p" / f"{i:02d}.png")
    mine = made(tmp_path / "a", "folder", tmp_path / "p", "--size", "8")
    plain = data.load(source({"name": "folder", "path": str(tmp_path / "p"), "size": 8}))
    assert torch.equal(mine.train, plain.train) and torch.equal(mine.heldout, plain.heldout)
    x = sets.pixels(40, 12, 10)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "h.npy", x[:5])
    for options, own in (((), {}), (("--heldout", str(tmp_path / "h.npy")), {"heldout": str(tmp_path / "h.npy")})):
        mine = made(tmp_path / f"x{len(options)}", "arrays", tmp_path / "x.npy", *options)
        plain = data.load(source({"name": "arrays", "path": str(tmp_path / "x.npy"), **own}))
        assert torch.equal(mine.train, plain.train) and torch.equal(mine.heldout, plain.heldout)


def test_a_folder_of_grey_files_is_prepared_with_one_channel(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for i in range(20):
        Image.new("L", (9, 9), i).save(tmp_path / "p" / f"{i:02d}.png")
    assert made(tmp_path / "a", "folder", tmp_path / "p").shape == (1, 9, 9)


# What is refused


def test_a_pickle_that_asks_for_anything_but_arrays_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    said = refused(capsys, tmp_path, "imagenet32", sets.batches(tmp_path / "in", 32, more=Evil()), *SUBSET)
    assert "train_data_batch_1 asks for posix.system" in said and not (tmp_path / "ran").exists()


def test_a_set_of_another_number_is_refused_and_a_subset_offered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, tmp_path, "imagenet32", sets.batches(tmp_path / "in", 32))
    assert "has 40 images for train, and the official set has 1,281,167" in said and "--count N" in said
    said = refused(capsys, tmp_path, "afhq64", sets.zipped(tmp_path / "a.zip", sets.animals(1, 1)))
    assert "has 6 images for train, and the official set has 15,803" in said
    for name, path in (("imagenet32", tmp_path / "in"), ("celeba64", sets.faces(tmp_path / "faces"))):
        said = refused(capsys, tmp_path, name, path, "--count", "41")
        assert "images for train, and --count asks for 41; lower it" in said


def test_more_images_than_the_official_ones_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(manifest.COUNTS["imagenet32"], "box", manifest.Counts(39, 6))
    assert "has 40 or more images for train" in refused(capsys, tmp_path, "imagenet32", sets.batches(tmp_path / "in", 32))
    monkeypatch.setitem(manifest.COUNTS["imagenet32"], "box", manifest.Counts(40, 6))
    found = made(tmp_path / "out", "imagenet32", tmp_path / "in")
    assert (len(found.train), len(found.heldout)) == (40, 6)
    assert "subset" not in data.inspect(source({"name": "imagenet32", "path": str(tmp_path / "out")})).text


@pytest.mark.parametrize("keep", [0.1, 0.6, 0.8])
@pytest.mark.parametrize("kind", ["pickle", "zip", "tar"])
def test_what_is_cut_short_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, keep: float
) -> None:
    if kind == "pickle":
        name, folder, options = "imagenet32", sets.batches(tmp_path / "in", 32), SUBSET
        cut = folder / "train_data_batch_2"
    elif kind == "zip":
        name, cut, options = "afhq64", sets.zipped(tmp_path / "in" / "afhq.zip", sets.animals(4, 2)), ("--count", "18")
    else:
        name, options = "imagenet64", ("--version", "adm-crop", "--count", "20", "--heldout-count", "4")
        cut = sets.ilsvrc(tmp_path / "in") / "ILSVRC2012_img_train.tar"
    cut.write_bytes(cut.read_bytes()[: int(keep * cut.stat().st_size)])
    said = refused(capsys, tmp_path, name, tmp_path / "in", *options)
    assert cut.name in said and ("cut short or damaged" in said)


def test_a_damaged_member_of_a_zip_is_refused_by_its_checksum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = sets.zipped(tmp_path / "afhq.zip", sets.animals(6, 2), zipfile.ZIP_STORED)
    whole = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at = archive.infolist()[3].header_offset + 5000
    whole[at] ^= 1
    path.write_bytes(whole)
    assert "train/cat/0003.png is cut short or damaged" in refused(capsys, tmp_path, "afhq64", path, "--count", "24")


def test_validation_images_given_for_training_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = sets.batches(tmp_path / "in", 32)
    for file in folder.glob("train*"):
        file.unlink()
    assert "has no train_data_batch_1, and has val_data" in refused(capsys, tmp_path, "imagenet32", folder)
    files = {f"val/n00000001/{i}.JPEG": sets.encoded(sets.smooth(70, 70, i), "JPEG") for i in range(20)}
    said = refused(capsys, tmp_path, "imagenet64", sets.spilled(tmp_path / "f", files), "--version", "adm-crop")
    assert "called train" in said and "train and val" in said


@pytest.mark.parametrize(("labels", "says"), [
    ([0] * 4, "labels from 0 to 0"), ([1, 2, 3, 1001], "to 1001"), ([1, 2], "not whole"), ([1.0] * 4, "labels of float64"),
])  # fmt: skip
def test_labels_out_of_range_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: list[int], says: str
) -> None:
    assert says in refused(capsys, tmp_path, "imagenet32", sets.batches(tmp_path / "in", 32, labels=labels), *SUBSET)


def test_images_of_another_size_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, tmp_path, "imagenet64", sets.batches(tmp_path / "in", 32), *SUBSET)
    assert "train_data_batch_1" in said and "it is of imagenet32" in said
    files = sets.animals()
    files["train/dog/0003.png"] = sets.encoded(sets.smooth(500, 512))
    said = refused(capsys, tmp_path, "afhq64", sets.spilled(tmp_path / "f", files), "--count", "27")
    assert "train/dog/0003.png is 512 x 500" in said and "512 x 512" in said


def test_sources_and_versions_that_are_not_there_name_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets.batches(tmp_path / "batches", 32)
    assert "batches" in refused(capsys, tmp_path, "imagenet32", tmp_path / "batchs")
    assert "nearest: lanczos-crop" in refused(capsys, tmp_path, "imagenet32", tmp_path / "batches", "--version", "lanczos")
    assert "nearest: imagenet32" in refused(capsys, tmp_path, "imagnet32", tmp_path / "batches")
    assert "--size is not for imagenet32" in refused(capsys, tmp_path, "imagenet32", tmp_path / "batches", "--size", "8")
    assert "--count=3 must be at least 16" in refused(capsys, tmp_path, "imagenet32", tmp_path / "batches", "--count", "3")


def test_what_is_not_read_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = sets.spilled(tmp_path / "a", {"data/train-00000.parquet": b"PAR1"})
    assert "row['image'].save" in refused(capsys, tmp_path, "afhq64", folder)
    folder = sets.spilled(tmp_path / "b", {"train.tar.gz": b"\x1f\x8b"})
    assert "unpack it" in refused(capsys, tmp_path, "imagenet64", folder, "--version", "oord")
    folder = sets.faces(tmp_path / "c")
    (folder / "list_eval_partition.txt").unlink()
    assert "has no list_eval_partition.txt" in refused(capsys, tmp_path, "celeba64", folder)


def test_a_folder_that_is_another_set_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = sets.spilled(tmp_path / "in", sets.animals()), tmp_path / "out"
    first = made(out, "afhq64", folder, "--count", "27").hash
    command = ["afhq64", "--source", str(folder), "--out", str(out), "--workers", "1", "--count", "27"]
    assert prepare.main(command) == 0 and "prepared already; nothing was done" in capsys.readouterr().out
    assert prepare.main([*command, "--version", "v2-lanczos"]) == 2
    assert "holds afhq64 v2-area (27 to train on, 0 held out, a subset)" in capsys.readouterr().err
    assert loaded("afhq64", out).hash == first
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    assert prepare.main(["afhq64", "--source", str(folder), "--out", str(tmp_path / "other"), "--count", "27"]) == 2
    assert "is no prepared set" in capsys.readouterr().err and (tmp_path / "other" / "thesis.txt").exists()


# A disk that is full, a process that ends


def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sets.batches(tmp_path / "in", 32)
    with monkeypatch.context() as patch:
        def write(self: writer.Array, content: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(writer.Array, "write", write)
        assert "make room or give another --out" in refused(capsys, tmp_path, "imagenet32", folder, *SUBSET)
    free = type("Usage", (), {"free": 1000})
    with monkeypatch.context() as patch:
        patch.setattr(writer.shutil, "disk_usage", lambda path: free)
        assert "needs 0.000141 GB, and 1e-06 GB are free" in refused(capsys, tmp_path, "imagenet32", folder, *SUBSET)
    assert len(made(tmp_path / "out", "imagenet32", folder, *SUBSET).train) == 40


def test_a_real_limit_on_files_is_met_by_a_real_process(tmp_path: Path) -> None:
    folder = sets.batches(tmp_path / "in", 32)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    ended = subprocess.run([sys.executable, "-m", "bench.prepare", "imagenet32", "--source", str(folder), "--out",
                            str(tmp_path / "out"), *SUBSET], cwd=ROOT, preexec_fn=limit, capture_output=True, text=True)
    assert ended.returncode == 2 and "free or allowed" in ended.stderr and ended.stderr.count("\n") == 1, ended.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("how", ["interrupted", "killed"])
def test_what_was_interrupted_counts_for_nothing_and_the_next_one_begins_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    folder, out = sets.batches(tmp_path / "in", 32), tmp_path / "out"
    if how == "killed":  # what it leaves: everything but the manifest
        aside = tmp_path / ".out.partial"
        aside.mkdir()
        (aside / "train.npy").write_bytes(b"half")
        (tmp_path / ".out.lock").touch()
    else:
        with monkeypatch.context() as patch:
            def interrupt(*arguments: object) -> None:
                raise KeyboardInterrupt

            patch.setattr(writer, "finish", interrupt)
            assert prepare.main(["imagenet32", "--source", str(folder), "--out", str(out), *SUBSET]) == 130
        assert "nothing was kept" in capsys.readouterr().err and [p.name for p in tmp_path.iterdir()] == ["in"]
    assert data.inspect(source({"name": "imagenet32", "path": str(out)})).absent
    assert len(made(out, "imagenet32", folder, *SUBSET).train) == 40
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


# What a prepared folder promises


def test_the_manifest_says_how_it_was_made_and_its_hash_follows(tmp_path: Path) -> None:
    folder = sets.spilled(tmp_path / "in", sets.animals())
    area, lanczos = (made(tmp_path / v, "afhq64", folder, "--version", v, "--count", "27") for v in ("v2-area", "v2-lanczos"))
    assert area.hash != lanczos.hash
    said = json.loads((tmp_path / "v2-area" / manifest.FILE).read_text())
    assert said["hash"] == area.hash and said["version"] == "v2-area" and said["subset"] is True and said["split"] == "all"
    assert "nearest" in said["rounding"] and said["how"] == "area average" and said["writer"] == manifest.WRITER
    assert said["files"]["train.npy"]["sha256"] == manifest.digest(tmp_path / "v2-area" / "train.npy")
    found = manifest.read("x", tmp_path / "v2-area")
    for change in ({"version": "v3"}, {"split": "official"}, {"writer": manifest.WRITER + 1}, {"subset": False}):
        assert manifest.Manifest(**{**vars(found), **change}).hash != found.hash, change
    assert manifest.Manifest(**{**vars(found), "made_with": {}}).hash == found.hash


def test_a_file_that_changed_is_refused_until_it_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    made(out, "imagenet32", sets.batches(tmp_path / "in", 32), *SUBSET)
    os.utime(out / "train.npy", (1, 1))  # as a copy has it
    with pytest.raises(ConfigError, match=r"copied or changed .*--verify"):
        loaded("imagenet32", out, flip=True)
    assert prepare.main(["--verify", str(out)]) == 0 and "as it was written" in capsys.readouterr().out
    assert len(loaded("imagenet32", out, resident=False).train) == 40
    content = bytearray((out / "train.npy").read_bytes())
    content[-1] ^= 1
    (out / "train.npy").write_bytes(content)
    os.utime(out / "train.npy", (1, 1))
    assert prepare.main(["--verify", str(out)]) == 2 and "train.npy is not the file" in capsys.readouterr().err
    (out / "train.npy").write_bytes(content[:-1])
    with pytest.raises(ConfigError, match=r"bytes and .* were written"):
        manifest.read("data.path", out)
    (out / "train.npy").unlink()
    with pytest.raises(ConfigError, match="is missing"):
        manifest.read("data.path", out)
    text = (out / manifest.FILE).read_text()
    (out / manifest.FILE).write_text(text.replace('"subset": true', '"subset": false'))
    with pytest.raises(ConfigError, match="was changed after it was written"):
        manifest.read("data.path", out)
    (out / manifest.FILE).write_text(text[:50])
    with pytest.raises(ConfigError, match="not a manifest that this version reads"):
        manifest.read("data.path", out)


def test_another_set_or_version_than_asked_for_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    made(out, "imagenet32", sets.batches(tmp_path / "in", 32), *SUBSET)
    for asked, says in (
        ({"name": "imagenet64"}, "holds imagenet32, and data=imagenet64 was asked for; choose data=imagenet32"),
        ({"name": "imagenet32", "version": "oord"}, r"data\.version=oord: .* was prepared as box"),
        ({"name": "imagenet32", "version": "ord"}, "nearest: oord"),
        ({"name": "prepared", "version": "size8"}, r"data\.version=size8"),
        ({"name": "prepared", "path": str(tmp_path / "in")}, "has no manifest.json"),
    ):
        wanted = source({"path": str(out), **asked})
        for reads in (data.inspect, data.load):
            with pytest.raises(ConfigError, match=says):
                reads(wanted)
    assert loaded("imagenet32", out, version="box").hash == data.fingerprint(source({"name": "imagenet32", "path": str(out)}))


@pytest.mark.parametrize(("name", "train", "heldout", "side"), [
    ("imagenet32", 1_281_167, 50_000, 32), ("imagenet64", 1_281_167, 50_000, 64), ("celeba64", 162_770, 19_962, 64),
    ("afhq64", 15_803, 0, 64),
])  # fmt: skip
def test_an_official_set_that_is_not_there_can_be_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, train: int, heldout: int, side: int
) -> None:
    found = data.inspect(source({"name": name, "path": str(tmp_path / "no")}))
    assert (found.train, found.heldout, found.shape) == (train, heldout, (3, side, side))
    command = ["sweep=none", f"data={name}", f"data.path={tmp_path / 'no'}", "backbone=unet_small", f"out={tmp_path / 'o'}"]
    assert run.main([*command, "plan=true"]) == 0
    assert f"python -m bench.prepare {name} --source PATH" in capsys.readouterr().out.split("\n")[0]
    assert run.main(command) == 2 and "bench.prepare" in capsys.readouterr().err
    if name.startswith("imagenet"):
        assert data.inspect(source({"name": name, "path": "no", "version": "oord"})).train == 1_281_149


def test_pickles_made_by_the_second_python_are_read(tmp_path: Path) -> None:
    """Its arrays come from numpy.core, and their bytes as latin-1 text."""
    folder = sets.batches(tmp_path / "in", 32)
    for file in folder.iterdir():
        again = pickle.dumps(pickle.loads(file.read_bytes()), protocol=2).replace(b"numpy._core.", b"numpy.core.")
        assert b"numpy.core." in again and b"_codecs" in again
        file.write_bytes(again)
    assert len(made(tmp_path / "out", "imagenet32", folder, *SUBSET).train) == 40
