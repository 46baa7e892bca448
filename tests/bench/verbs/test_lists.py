"""What can be chosen is listed a line each, and a data set is told and drawn as a training sees it."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.conf import names
from bench.data.split import tenth
from bench.verbs import data, lists


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_methods_and_sweeps_are_a_line_each_with_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert lists.methods([]) == 0
    found = told(capsys)
    assert [line.split()[0] for line in found] == names("method") and all(len(line.split()) > 3 for line in found)
    assert lists.sweeps([]) == 0
    found = [line for line in told(capsys) if line and "=NAME" not in line]
    assert any(line.startswith("ablation/cifar_annealing ") and line.endswith(" Short jumps first") for line in found)
    assert sorted(line.split()[0] for line in found) == sorted(name.removeprefix("preset/") for name in names("sweep"))
    assert data.main([]) == 0
    assert [line.split()[0] for line in told(capsys)] == names("data")


def test_the_long_list_has_papers_and_what_methods_need(capsys: pytest.CaptureFixture[str]) -> None:
    assert lists.methods(["--long"]) == 0
    rows = {line.split()[0]: " ".join(line.split()) for line in told(capsys)[2:]}
    assert set(rows) == set(names("method"))
    assert "arXiv 2406.07507 a teacher Flow" in rows["lmd"] and "a teacher, stored trajectories" in rows["dsno"]
    assert "a teacher" not in rows["lsd"].replace("no teacher", "")


def test_what_is_no_folder_of_plugins_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("plugin=here", "plugins=nowhere", "lsd"):
        assert lists.methods([word]) == 2
        assert capsys.readouterr().err == f"error: {word} is not plugins=FOLDER with a folder that there is\n"


def looked(words: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The lines by what stands before their colon."""
    assert data.main([*words, f"out={out}"]) == 0
    return {line.partition(": ")[0]: line.partition(": ")[2] for line in told(capsys)}


def shown(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = looked(["data=digits"], tmp_path, capsys)
    assert said["data=digits"] == "1,200 images of 1 x 8 x 8 to train on, 597 held out"
    assert said["images"] == "8 wide, 8 high, 1 channel, levels 0..16; values from 0 to 16"
    assert said["labels"].startswith("10 classes to train on: 0 127, 1 117, ")
    assert said["held out"].startswith("33.2%") and said["equal pixels"].startswith("0 of those to train on are copies, 0 of")
    assert said["picture"] == str(tmp_path / "previews" / "digits.png")
    grey = shown(said["picture"])
    assert ((grey > 100) & (grey < 150)).mean() > 0.02, "the highest of 17 levels is white"


def test_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = looked(["data=mixture", "data.count=20000"], tmp_path, capsys)
    assert said["points"].startswith("in the plane, mean (") and said["data=mixture"].startswith("20,000 points to train on")
    assert (shown(said["picture"]) != 255).any()


def test_arrays_with_copies_and_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).integers(0, 200, (40, 6, 5, 3), dtype=np.uint8)
    x[1:] = np.where(np.arange(1, 40)[:, None, None, None] == 7, x[8], x[1:])
    np.savez(tmp_path / "x.npz", images=x, labels=np.arange(40) % 2)
    said = looked(["data=arrays", f"data.path={tmp_path / 'x.npz'}"], tmp_path, capsys)
    assert said["images"] == f"5 wide, 6 high, 3 channels, levels 0..255; values from {x.min()} to {x.max()}"
    assert said["labels"].startswith("2 classes to train on: 0 1") and said["held out"].startswith("10.0%")
    copies, _, both = said["equal pixels"].partition(" of those to train on are copies, ")
    assert int(copies) + int(both.split()[0]) == 1
    assert re.fullmatch(r"row [78]( \(held out\))? is row [78]", said["copies"])


def test_copies_are_named_by_their_files_the_first_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    for n in range(30):  # the last ten are the first ten
        pixels = np.random.default_rng(n % 20).integers(0, 255, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{n:02d}.{'png' if n < 20 else 'bmp'}")
    said = looked(["data=folder", f"data.path={tmp_path / 'photos'}"], tmp_path, capsys)
    kept = {int(n) for n in tenth(30)[1]}
    pairs = said["copies"].split("; ")
    assert len(pairs) == 6 and pairs[-1] == "and 5 more" and len(kept) == 3
    for pair in pairs[:-1]:
        copy, of = (int(side[:2]) for side in pair.split(" is "))
        assert copy % 20 == of % 20 and copy != of
        assert all((n in kept) == (f"{n:02d}.{'png' if n < 20 else 'bmp'} (held out)" in pair) for n in (copy, of))


def test_arrays_of_two_files_name_rows_of_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).integers(0, 200, (40, 6, 5), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x[:30])
    np.save(tmp_path / "h.npy", x[[39, 38, 5]])
    said = looked(["data=arrays", f"data.path={tmp_path / 'x.npy'}", f"data.heldout={tmp_path / 'h.npy'}"], tmp_path, capsys)
    assert said["copies"] == "row 2 (held out) is row 5"


@pytest.mark.parametrize(("size", "line"), [
    (24, "4 of 20 files have fewer pixels than 24 x 24, and are blurred by it; the smallest is 3.png, 17 x 40"), (17, None),
    (None, None),
])  # fmt: skip
def test_files_that_are_enlarged_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int | None, line: str | None
) -> None:
    (tmp_path / "photos").mkdir()
    for n in range(20):
        shape = (40, 20 - n) if n < 4 and size else (40, 24)
        Image.fromarray(np.full(shape, n, np.uint8)).save(tmp_path / "photos" / f"{n}.png")
    words = [f"data.size={size}"] if size else []
    said = looked(["data=folder", f"data.path={tmp_path / 'photos'}", *words], tmp_path, capsys)
    assert said.get("enlarged") == line and "copies" not in said


def test_a_folder_of_photographs_is_shown_as_it_is_cropped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wide picture with red edges: what is cut off is not in the picture of it."""
    for name, colour in (("day", (0, 0, 255)), ("night", (0, 128, 0))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for n in range(10):
            image = Image.new("RGB", (60 + n, 20), (255, 0, 0))
            image.paste(colour, (20, 0, 40 + n, 20))
            image.save(tmp_path / "photos" / name / f"{n}.png")
    said = looked(["data=folder", f"data.path={tmp_path / 'photos'}", "data.size=8"], tmp_path, capsys)
    assert said["files"] == "20 of 10 sizes, sides from 20 to 69 pixels; cropped to squares and resized to 8 x 8"
    assert said["labels"].startswith("2 classes to train on: day ")
    pixels = shown(said["picture"]).reshape(-1, 3).tolist()
    assert [0, 0, 255] in pixels and [0, 128, 0] in pixels and [255, 0, 0] not in pixels


@pytest.mark.parametrize(("words", "line"), [
    (["data=folder", "data.path=nowhere"], "data.path=nowhere does not exist"), (["data=digit"], "data=digit is not valid"),
    (["data=cifar10", "data.root=nowhere"], "data.root=nowhere: CIFAR-10 is not there"), (["digits"], "'digits' is not"),
    (["data=digits", "out=/dev/null"], "out=/dev/null cannot be written"),
])  # fmt: skip
def test_data_that_cannot_be_shown_are_told_in_a_line(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert data.main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {line}") and told.count("\n") == 1
