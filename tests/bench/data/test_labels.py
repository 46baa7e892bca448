"""Class labels: read beside the images, split with them, and refused in one line where they are no classes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from specs import source

from bench import data, run
from bench.config import ConfigError, request
from bench.data import inspect
from bench.data.dataset import hold_back
from bench.planning import Campaign

COUNT = 40
IMAGES = np.arange(COUNT, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)  # every image shows its number
LABELS = np.arange(COUNT) % 4


def saved(folder: Path, labels: object = LABELS, member: bool = False) -> dict[str, object]:
    """The options of a data set of IMAGES with those labels, in a file of their own or beside them."""
    if member:
        np.savez(folder / "x.npz", images=IMAGES, labels=labels)
        return {"name": "arrays", "path": str(folder / "x.npz")}
    np.save(folder / "x.npy", IMAGES)
    np.save(folder / "y.npy", np.asarray(labels))
    return {"name": "arrays", "path": str(folder / "x.npy"), "labels": str(folder / "y.npy")}


@pytest.mark.parametrize("member", [False, True])
def test_each_image_of_an_array_keeps_its_own_label_on_either_side_of_the_split(tmp_path: Path, member: bool) -> None:
    options = source(saved(tmp_path, member=member))
    found = data.load(options)
    assert found.labels is not None and found.heldout_labels is not None
    for images, labels in ((found.train, found.labels), (found.heldout, found.heldout_labels)):
        assert torch.equal(labels, images[:, 0, 0, 0].long() % 4)
    assert inspect(options).classes == found.classes == 4 and "labels" not in inspect(options).text
    limited = data.load(source({**saved(tmp_path, member=member), "limit": 20}))
    assert limited.labels is not None and torch.equal(limited.labels, limited.train[:, 0, 0, 0].long() % 4)


def test_held_out_images_of_a_file_of_their_own_bring_their_labels_as_a_member(tmp_path: Path) -> None:
    saved(tmp_path, member=True)
    np.savez(tmp_path / "held.npz", images=IMAGES[:8], labels=LABELS[:8])
    found = data.load(source({**saved(tmp_path), "heldout": str(tmp_path / "held.npz")}))
    assert found.heldout_labels is not None and found.heldout_labels.tolist() == LABELS[:8].tolist()
    assert found.labels is not None and found.labels.tolist() == LABELS.tolist()


def test_the_first_folder_that_an_image_lies_in_is_its_class(tmp_path: Path) -> None:
    for i in range(COUNT):
        where = tmp_path / f"class{i % 4}" / ("inner" if i % 3 else "")
        where.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), i).save(where / f"{i:02d}.png")
    options = source({"name": "folder", "path": str(tmp_path)})
    found = data.load(options)
    assert found.labels is not None and torch.equal(found.labels, found.train[:, 0, 0, 0].long() % 4)
    assert inspect(options).classes == 4
    Image.new("L", (8, 8)).save(tmp_path / "loose.png")
    assert data.load(options).labels is None and "loose.png" in inspect(options).unlabelled


def test_what_is_left_to_train_on_has_its_own_labels_and_frequencies() -> None:
    digits = data.load(source({"name": "digits"}))
    assert digits.labels is not None
    for each in (digits, hold_back(digits, 0.2)):
        assert each.labels is not None
        assert torch.equal(each.frequencies, torch.bincount(each.labels)) and int(each.frequencies.sum()) == len(each.train)
        everything = {image.numpy().tobytes(): int(label) for image, label in zip(digits.train, digits.labels, strict=True)}
        assert all(everything[x.numpy().tobytes()] == int(y) for x, y in zip(each.train, each.labels, strict=True))


OBJECTS = np.array([0, 1, None, 3] * 10, dtype=object)
BROKEN = {
    "missing": (None, False, ("data.path=", "has no labels", "data.labels=FILE")),
    "too few": (LABELS[:-1], False, ("data.labels=", "39 labels for 40 images")),
    "too many": (np.append(LABELS, 0), True, ("data.path=", "member labels, has 41 labels for 40 images")),
    "floats": (LABELS / 2, False, ("data.labels=", "float64", "whole numbers")),
    "one hot": (np.eye(4, dtype=np.uint8)[LABELS], True, ("member labels", "uint8 (40, 4)", "one for each image")),
    "words": (np.array(list("abcd"))[LABELS], False, ("data.labels=", "<U1 (40,)", "whole numbers")),
    "objects": (OBJECTS, False, ("data.labels=", "Python objects", "dtype='int64'")),
    "objects beside": (OBJECTS, True, ("member labels, holds Python objects",)),
    "negative": (LABELS - 1, True, ("label -1", "from 0")),
    "huge": (LABELS * 2**40, False, ("data.labels=", f"label {3 * 2**40}", "without gaps")),
    "beyond signed": (np.where(LABELS == 3, 2**63, LABELS).astype(np.uint64), False, (f"label {2**63}", "without gaps")),
    "far": (np.where(LABELS == 3, 10**9, LABELS), False, ("up to 1000000000, and class 3 has no image",)),
    "gap": (np.where(LABELS == 2, 3, LABELS), False, ("data.labels=", "class 2 has no image")),
    "one class": (0 * LABELS, True, ("data.path=", "all labels are 0, and one class is none", "conditional=false")),
}


@pytest.mark.parametrize("case", BROKEN)
def test_labels_that_are_no_classes_are_refused_by_a_conditional_run_alone(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, member, words = BROKEN[case]
    options = saved(tmp_path, LABELS if labels is None else labels, member)
    if labels is None:
        options = {"name": "arrays", "path": str(tmp_path / "x.npy")}
    refused(options, tmp_path, words, capsys, both=case == "objects")


@pytest.mark.parametrize(("labels", "words"), [
    (LABELS[:8] + 1, ("has the label 4", "classes 0 to 3", "number them alike")), (LABELS[:7], ("7 labels for 8 images",)),
    (OBJECTS[:8], ("Python objects",)), (LABELS[:8] / 2, ("float64",)),
])  # fmt: skip
def test_labels_beside_held_out_images_are_of_the_classes_that_are_trained_on(
    labels: np.ndarray, words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "held.npz", images=IMAGES[:8], labels=labels)
    refused({**saved(tmp_path), "heldout": tmp_path / "held.npz"}, tmp_path, ("data.heldout=", "labels, ", *words), capsys)


def refused(
    options: dict[str, object], out: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str], both: bool = False
) -> None:
    """One line, from the command, where classes are told. both: also where they are not."""
    told = [f"data.{key}={value}" for key, value in options.items() if key != "name"]
    command = ["sweep=none", "data=arrays", *told, f"out={out}", "plan=true"]
    assert run.main(command) == 2 * both
    capsys.readouterr()
    assert run.main([*command, "conditional=true"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: data.labels=" if both else "error: conditional=true: data."), line
    assert [word for word in words if word not in line] == [], line


def test_classes_follow_from_the_data_and_change_the_run(tmp_path: Path) -> None:
    told = [f"data.{key}={value}" for key, value in saved(tmp_path).items() if key != "name"]
    command = ["sweep=none", "data=arrays", *told, f"out={tmp_path}", "conditional=true"]
    jobs = Campaign.of(request([*command, "method=lmd"]), preview=True).plan.jobs
    assert {job.config["backbone"]["classes"] for job in jobs if job.kind == "method"} == {4}  # the teacher's too
    before = [job.id for job in jobs]
    np.save(tmp_path / "y.npy", LABELS[::-1])
    after = [job.id for job in Campaign.of(request([*command, "method=lmd"]), preview=True).plan.jobs]
    assert not set(before) & set(after)
    with pytest.raises(ConfigError, match=r"backbone\.classes=7.*4 classes"):
        Campaign.of(request([*command, "backbone.classes=7"]), preview=True)
    with pytest.raises(ConfigError, match=r"evaluation\.one_class=4.*0 to 3"):
        Campaign.of(request([*command, "evaluation.one_class=4"]), preview=True)
