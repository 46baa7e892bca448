"""Data sources: fixed splits and hashes, exact scaling, and one clear error for each thing a user can get wrong."""

import hashlib
import struct
import zlib
from http.client import IncompleteRead
from pathlib import Path
from tarfile import ReadError
from urllib.error import URLError

import cifar
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from specs import source

from bench import data
from bench.config.errors import ConfigError
from bench.data.split import tenth


def pixels(*shape: int) -> np.ndarray:
    return np.random.RandomState(0).randint(0, 256, shape, dtype=np.uint8)


def arrays(tmp_path: Path, stored: np.ndarray, **options: object) -> data.Dataset:
    np.save(tmp_path / "x.npy", stored)
    return data.load(source({"name": "arrays", "path": str(tmp_path / "x.npy"), **options}))


def pictures(folder: Path, n: int = 20, mode: str = "RGB", size: tuple[int, int] = (8, 8)) -> Path:
    folder.mkdir()
    for i in range(n):
        Image.new(mode, size, i).save(folder / f"{i:02d}.png")
    return folder


def test_digits_split_is_fixed_and_covers_every_image_once() -> None:
    digits = data.load(source({"name": "digits"}))
    assert digits.shape == (1, 8, 8) and digits.levels == 16 and len(digits.hash) == 64
    assert (len(digits.train), len(digits.heldout)) == (1200, 597) and digits.train.dtype == torch.uint8
    everything = torch.cat([digits.train, digits.heldout]).flatten(1).int()
    from sklearn.datasets import load_digits

    real = torch.from_numpy(load_digits().data).int()
    assert sorted(everything.tolist()) == sorted(real.tolist())


@given(levels=st.integers(1, 255))
@settings(max_examples=25)
def test_decode_and_encode_are_inverse_on_every_level(levels: int) -> None:
    values = torch.arange(levels + 1).to(torch.uint8).reshape(-1, 1, 1, 1)
    some = data.Dataset("x", "images", (1, 1, 1), values, values, "", levels=levels)
    x = some.decode(values)
    assert x.min() == -1 and torch.isclose(x.max(), torch.tensor(1.0)) and torch.equal(some.encode(x), values)
    assert some.encode(torch.tensor([-7.0, 7.0])).tolist() == [0, levels]


@pytest.mark.parametrize("name", ["gaussian", "skewed", "mixture", "checkerboard"])
def test_points_are_many_float32_and_come_with_their_truth(name: str) -> None:
    points = data.load(source({"name": name}))
    assert points.train.shape == (2**20, 2) and points.heldout.shape == (2**17, 2)
    assert points.train.dtype == torch.float32 and points.kind == "points"
    assert points.truth is not None and len(points.hash) == 64
    assert not torch.equal(points.train[:1000], points.heldout[:1000])


@pytest.mark.parametrize("shape", [(20, 8, 6), (20, 8, 6, 1), (20, 1, 8, 6), (20, 8, 6, 3), (20, 3, 8, 6)])
def test_arrays_of_every_layout_become_channels_first(tmp_path: Path, shape: tuple[int, ...]) -> None:
    found = arrays(tmp_path, pixels(*shape))
    assert found.shape == (3 if 3 in shape else 1, 8, 6)
    assert (len(found.train), len(found.heldout)) == (18, 2)


def test_a_second_file_is_held_out_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "h.npy", pixels(7, 8, 8))
    found = arrays(tmp_path, pixels(20, 8, 8), heldout=str(tmp_path / "h.npy"))
    assert (len(found.train), len(found.heldout)) == (20, 7)


def test_the_hash_follows_the_content(tmp_path: Path) -> None:
    stored = pixels(20, 8, 8)
    first = arrays(tmp_path, stored).hash
    np.save(tmp_path / "y.npy", stored)
    assert data.load(source({"name": "arrays", "path": str(tmp_path / "y.npy")})).hash == first
    stored[3, 0, 0] ^= 1
    np.save(tmp_path / "z.npy", stored)
    assert data.load(source({"name": "arrays", "path": str(tmp_path / "z.npy")})).hash != first


def test_a_folder_of_images_loads_in_the_order_of_its_names(tmp_path: Path) -> None:
    found = data.load(source({"name": "folder", "path": str(pictures(tmp_path / "p"))}))
    assert found.shape == (3, 8, 8)
    assert sorted(torch.cat([found.train, found.heldout])[:, 0, 0, 0].tolist()) == list(range(20))


def test_size_crops_the_centre_and_resizes(tmp_path: Path) -> None:
    found = data.load(source({"name": "folder", "path": str(pictures(tmp_path / "p", size=(12, 9))), "size": 4}))
    assert found.shape == (3, 4, 4)


def test_what_tools_leave_beside_images_is_no_data(tmp_path: Path) -> None:
    (tmp_path / ".hidden above").mkdir()
    folder = pictures(tmp_path / ".hidden above" / "p")
    before = data.load(source({"name": "folder", "path": str(folder)}))
    for name in (".ipynb_checkpoints", "__MACOSX"):
        pictures(folder / name)
    (folder / "._00.png").write_bytes(b"no image")
    after = data.load(source({"name": "folder", "path": str(folder)}))
    assert after.hash == before.hash


def test_a_photograph_is_turned_as_it_says(tmp_path: Path) -> None:
    folder, turned = pictures(tmp_path / "p", size=(6, 8)), Image.Exif()
    turned[0x0112] = 6  # turn by a quarter to the right
    Image.open(folder / "00.png").convert("RGB").save(tmp_path / "p" / "99.png")
    upright = data.load(source({"name": "folder", "path": str(folder)}))
    for file in folder.glob("*.png"):
        Image.open(file).transpose(Image.Transpose.ROTATE_90).save(file, exif=turned)
    assert data.load(source({"name": "folder", "path": str(folder)})).hash == upright.hash


def test_colour_of_16_bits_is_refused(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p")
    rows = zlib.compress(b"".join(b"\0" + bytes(8 * 6) for _ in range(8)))
    parts = ((b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    written = b"".join(struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in parts)
    (folder / "05.png").write_bytes(b"\x89PNG\r\n\x1a\n" + written)
    assert "05.png has more than 8 bits per channel" in refused({"name": "folder", "path": str(folder)})


def refused(config: dict[str, object]) -> str:
    with pytest.raises(ConfigError) as caught:
        data.load(source(config))
    return str(caught.value)


def test_unknown_names_and_keys_get_the_nearest_valid_one() -> None:
    assert "digits" in refused({"name": "digit"})
    assert "path" in refused({"name": "arrays", "pth": "x.npy"})


def test_a_missing_path_names_the_key_and_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "photos.npy").touch()
    message = refused({"name": "arrays", "path": str(tmp_path / "photo.npy")})
    assert "data.path" in message and "photos.npy" in message
    assert "data.path" in refused({"name": "arrays", "path": "???"})


@pytest.mark.parametrize(
    ("stored", "says"),
    [(pixels(20, 8, 8) / 255, "uint8"), (pixels(20, 4, 8, 8), "(20, 4, 8, 8)"), (pixels(20, 8), "(20, 8)"),
     (pixels(9, 8, 8), "at least 16")],
)  # fmt: skip
def test_arrays_that_are_no_images_say_why(tmp_path: Path, stored: np.ndarray, says: str) -> None:
    np.save(tmp_path / "x.npy", stored)
    assert says in refused({"name": "arrays", "path": str(tmp_path / "x.npy")})


def test_mixed_sizes_name_the_first_odd_file_and_the_way_out(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p")
    Image.new("RGB", (9, 8)).save(folder / "07.png")
    message = refused({"name": "folder", "path": str(folder)})
    assert "07.png" in message and "data.size" in message


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p")
    (folder / "05.png").write_bytes((folder / "05.png").read_bytes()[:40])
    assert "05.png" in refused({"name": "folder", "path": str(folder)})


def test_an_empty_folder_says_which_files_count(tmp_path: Path) -> None:
    assert ".png" in refused({"name": "folder", "path": str(tmp_path)})


def test_cifar10_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    message = refused({"name": "cifar10", "root": str(tmp_path), "download": False})
    assert "data.download=true" in message and "data=arrays" in message


def test_a_truncated_npz_is_a_clear_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=pixels(20, 8, 8))
    (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:300])
    assert "x.npz" in refused({"name": "arrays", "path": str(tmp_path / "x.npz")})


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_compressed_npz_cut_short_is_a_clear_error(tmp_path: Path, keep: float) -> None:
    np.savez_compressed(tmp_path / "x.npz", images=pixels(20, 8, 8))
    whole = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(whole[: int(keep * len(whole))])
    assert "x.npz" in refused({"name": "arrays", "path": str(tmp_path / "x.npz")})
    middle = len(whole) // 2
    (tmp_path / "x.npz").write_bytes(whole[:middle] + bytes(20) + whole[middle + 20 :])
    assert "x.npz" in refused({"name": "arrays", "path": str(tmp_path / "x.npz")})


@pytest.mark.parametrize(
    ("stored", "advice"),
    [(np.array([0.0, 0.5, 1.0]), "(x * 255).round()"), (np.array([-1.0, 0.0, 1.0]), "((x + 1) * 127.5).round()"),
     (np.array([0, 128, 255]), "x.round()"), (np.array([0.0, 100.4, 255.0]), "x.round()"), (np.array([False, True]), "* 255")],
)  # fmt: skip
def test_the_advised_conversion_gives_pixels_over_the_whole_range(
    tmp_path: Path, stored: np.ndarray, advice: str
) -> None:
    x = np.resize(stored, (20, 8, 8))
    np.save(tmp_path / "x.npy", x)
    message = refused({"name": "arrays", "path": str(tmp_path / "x.npy")})
    assert advice in message
    found = arrays(tmp_path, eval(message.split("convert with ")[1]))
    assert (found.train.min(), found.train.max()) == (0, 255)


def test_numbers_of_another_range_get_no_ready_formula(tmp_path: Path) -> None:
    for stored in (np.full((20, 8, 8), 65_535, np.uint16), np.full((20, 8, 8), -7.0), np.full((20, 8, 8), np.nan)):
        np.save(tmp_path / "x.npy", stored)
        message = refused({"name": "arrays", "path": str(tmp_path / "x.npy")})
        assert "uint8" in message and "convert with" not in message


def test_floats_in_minus_one_to_one_get_the_right_conversion(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", pixels(20, 8, 8) / 127.5 - 1)
    assert "127.5" in refused({"name": "arrays", "path": str(tmp_path / "x.npy")})


@pytest.mark.parametrize("shape", [(20, 3, 8, 1), (20, 3, 8, 3)])
def test_an_ambiguous_channel_axis_is_refused_and_either_advice_works(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = pixels(*shape)
    np.save(tmp_path / "x.npy", x)
    message = refused({"name": "arrays", "path": str(tmp_path / "x.npy")})
    assert str(shape) in message and "x.transpose(0, 2, 3, 1) if axis 1" in message
    assert arrays(tmp_path, x.transpose(0, 2, 3, 1)).shape == shape[1:]
    (tmp_path / "other").mkdir()  # the source keeps what it read by name
    assert arrays(tmp_path / "other", x.transpose(0, 3, 1, 2)).shape == (shape[3], *shape[1:3])


@pytest.mark.parametrize("limit", ["x", 2.5, -3, 0, True, [20]])
def test_a_limit_that_is_no_count_is_refused(tmp_path: Path, limit: object) -> None:
    np.save(tmp_path / "x.npy", pixels(40, 8, 8))
    assert "data.limit" in refused({"name": "arrays", "path": str(tmp_path / "x.npy"), "limit": limit})


@pytest.mark.parametrize("size", [0, -4, 2.5, "x"])
def test_a_size_that_is_no_count_is_refused(tmp_path: Path, size: object) -> None:
    assert "data.size" in refused({"name": "folder", "path": str(pictures(tmp_path / "p")), "size": size})


def test_sixteen_bit_images_are_refused(tmp_path: Path) -> None:
    assert "00.png" in refused({"name": "folder", "path": str(pictures(tmp_path / "p", mode="I;16"))})


def test_a_folder_of_grey_files_has_one_channel(tmp_path: Path) -> None:
    assert data.load(source({"name": "folder", "path": str(pictures(tmp_path / "p", mode="L"))})).shape == (1, 8, 8)


def test_one_colour_file_among_grey_ones_makes_three_equal_channels_of_them(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p", mode="L")
    Image.new("RGB", (8, 8), (200, 10, 10)).save(folder / "99.png")
    found = data.load(source({"name": "folder", "path": str(folder), "size": 8}))
    everything = torch.cat([found.train, found.heldout])[:, :, 0, 0]
    assert sorted(everything.tolist()) == [*([i, i, i] for i in range(20)), [200, 10, 10]]


def test_sixteen_images_are_enough(tmp_path: Path) -> None:
    assert len(arrays(tmp_path, pixels(16, 8, 8)).train) == 14
    assert len(data.load(source({"name": "folder", "path": str(pictures(tmp_path / "p", n=16))})).train) == 14


def test_too_few_images_are_counted_as_given(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", pixels(15, 8, 8))
    assert "15 images; at least 16" in refused({"name": "arrays", "path": str(tmp_path / "x.npy")})
    np.save(tmp_path / "y.npy", pixels(16, 8, 8))
    config = {"name": "arrays", "path": str(tmp_path / "y.npy"), "heldout": str(tmp_path / "h.npy")}
    np.save(tmp_path / "h.npy", pixels(1, 8, 8))
    assert "data.heldout" in (message := refused(config)) and "1 images; at least 2" in message
    np.save(tmp_path / "h.npy", pixels(2, 9, 8))
    assert "data.heldout" in (message := refused(config)) and "(1, 9, 8)" in message


def test_a_download_that_fails_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()  # a root that cannot be created: fails before any network is touched
    message = refused({"name": "cifar10", "root": str(tmp_path / "file" / "x"), "download": True})
    assert "data.root" in message and "could not be downloaded" in message and "data=arrays" in message


@pytest.mark.parametrize("error", [URLError("no route"), IncompleteRead(b""), ReadError("cut"), EOFError()], ids=repr)
def test_whatever_ends_a_download_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("torchvision.datasets.CIFAR10", fails)
    assert "data.root" in refused({"name": "cifar10", "root": str(tmp_path), "download": True})


def test_real_images_pass_through_the_arrays_source(tmp_path: Path) -> None:
    found = arrays(tmp_path, cifar.images("test", 2000).numpy())
    assert found.shape == (3, 32, 32) and (len(found.train), len(found.heldout)) == (1800, 200)
    mean = found.decode(found.train).mean((0, 2, 3)) / 2 + 0.5
    torch.testing.assert_close(mean, torch.tensor([0.494, 0.485, 0.450]), rtol=0, atol=0.02)


def test_a_target_has_as_many_training_points_as_asked() -> None:
    few, many = (data.load(source({"name": "checkerboard", "count": n})) for n in (1000, 2000))
    assert len(few.train) == 1000 and len(many.train) == 2000 and few.hash != many.hash
    assert torch.equal(few.train, many.train[:1000])
    with pytest.raises(ConfigError, match=r"data\.count"):
        data.load(source({"name": "checkerboard", "count": 0}))


def told(config: dict[str, object]) -> str:
    return data.inspect(source(config)).text


def test_what_there_is_is_known_before_it_is_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", pixels(40, 8, 6, 3))
    np.save(tmp_path / "h.npy", pixels(7, 8, 6, 3))
    configs: list[dict[str, object]] = [
        {"name": "digits"}, {"name": "mixture", "count": 500}, {"name": "arrays", "path": str(tmp_path / "x.npy"), "limit": 30},
        {"name": "arrays", "path": str(tmp_path / "x.npy"), "heldout": str(tmp_path / "h.npy")},
        {"name": "folder", "path": str(pictures(tmp_path / "p", mode="L", size=(6, 8)))},
        {"name": "folder", "path": str(tmp_path / "p"), "size": 5},
    ]
    for config in configs:
        found, loaded = data.inspect(source(config)), data.load(source(config))
        assert (found.shape, found.train, found.heldout) == (loaded.shape, len(loaded.train), len(loaded.heldout))


def refused_alike(config: dict[str, object]) -> str:
    """Planning and the loader say the same."""
    with pytest.raises(ConfigError) as caught:
        data.inspect(source(config))
    assert str(caught.value) == refused(config)
    return str(caught.value)


def test_what_the_loader_would_refuse_is_refused_before(tmp_path: Path) -> None:
    path = str(tmp_path / "x.npy")
    assert "does not exist" in refused_alike({"name": "arrays", "path": path})
    for stored, says in ((pixels(20, 8, 8) / 255, "uint8"), (pixels(20, 8), "(20, 8)"), (pixels(9, 8, 8), "at least 16")):
        np.save(path, stored)
        assert says in refused_alike({"name": "arrays", "path": path})
    folder = pictures(tmp_path / "p")
    Image.new("RGB", (9, 8)).save(folder / "07.png")
    assert "07.png is 9 x 8" in refused_alike({"name": "folder", "path": str(folder)})
    (folder / "07.png").write_bytes((folder / "06.png").read_bytes()[:40])
    for size in (None, 4):
        assert "07.png" in refused_alike({"name": "folder", "path": str(folder), "size": size})
    (folder / "07.png").unlink()
    (folder / "07.png").symlink_to("nothing.png")
    assert "07.png is not a readable image (No such file" in refused_alike({"name": "folder", "path": str(folder)})
    (folder / "07.png").unlink()
    assert "at least 16" in refused_alike({"name": "folder", "path": str(pictures(tmp_path / "few", n=9))})


def test_a_file_that_was_changed_is_looked_at_again(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p")
    config: dict[str, object] = {"name": "folder", "path": str(folder)}
    before = data.inspect(source(config))
    Image.new("RGB", (8, 8), 77).save(folder / "99.png")
    after = data.inspect(source(config))
    assert before.train + before.heldout + 1 == after.train + after.heldout and before.fingerprint != after.fingerprint


def test_cifar10_is_whole_missing_or_damaged(tmp_path: Path) -> None:
    from torchvision.datasets import CIFAR10

    from bench.data.cifar import MD5

    assert {**dict([*CIFAR10.train_list, *CIFAR10.test_list]), CIFAR10.meta["filename"]: CIFAR10.meta["md5"]} == MD5
    config: dict[str, object] = {"name": "cifar10", "root": str(tmp_path), "download": False}
    assert "data_batch_1 is missing" in data.inspect(source(config)).absent
    assert not data.inspect(source({**config, "download": True})).absent
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"cut")
    with pytest.raises(ConfigError, match="data_batch_1 is damaged"):
        data.inspect(source(config))


def test_the_hash_of_a_plain_folder_is_of_its_names_and_bytes(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p", n=16)
    (folder / "b").mkdir()
    (folder / "b" / "00.png").write_bytes((folder / "03.png").read_bytes())
    whole = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*.png")):
        whole.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    assert data.fingerprint(source({"name": "folder", "path": str(folder)})) == whole.hexdigest()


def test_linked_folders_are_read_and_links_around_them_are_told(tmp_path: Path) -> None:
    folder, elsewhere = pictures(tmp_path / "p"), pictures(tmp_path / "elsewhere", n=16)
    (folder / "class").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder)
    (folder / "me").symlink_to(folder)
    config: dict[str, object] = {"name": "folder", "path": str(folder)}
    found, loaded = data.inspect(source(config)), data.load(source(config))
    assert found.train + found.heldout == 36 == len(loaded.train) + len(loaded.heldout)
    assert "skipped: 2 links to a folder around them" in found.text


def test_what_is_skipped_and_what_is_there_twice_is_told(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p")
    assert "skipped" not in told({"name": "folder", "path": str(folder)})
    (folder / "notes.txt").touch()
    (folder / "LICENSE").touch()
    (folder / ".hidden").mkdir()
    for i in range(20):  # the second half repeats the first
        (folder / f"{i + 20:02d}.png").write_bytes((folder / f"{i:02d}.png").read_bytes())
    text = told({"name": "folder", "path": str(folder)})
    assert "skipped: 1 hidden, 1 no images (.txt), 1 no images (without a suffix)" in text
    train, heldout = tenth(40)
    both, distinct = len({i % 20 for i in heldout} & {i % 20 for i in train}), len({i % 20 for i in train})
    assert f"{both} of the held-out ones are also trained on" in text and f"{36 - distinct} to train on are copies" in text


def test_copies_in_arrays_are_counted(tmp_path: Path) -> None:
    x = pixels(40, 8, 8)
    x[1] = x[0]
    held = np.concatenate([x[5:8], pixels(50, 8, 8)[45:]])
    np.savez(tmp_path / "x.npz", images=x, labels=np.arange(40))
    np.save(tmp_path / "h.npy", held)
    config: dict[str, object] = {"name": "arrays", "path": str(tmp_path / "x.npz"), "heldout": str(tmp_path / "h.npy")}
    assert told(config).endswith(
        "40 images of 1 x 8 x 8 to train on, 8 held out; 3 of the held-out ones are also trained on; 1 to train on are copies "
        "of others"
    )


def one(folder: Path, **options: object) -> torch.Tensor:
    """The colour of the only odd image, the last, in a folder of black ones."""
    found = data.load(source({"name": "folder", "path": str(folder), **options}))
    everything = torch.cat([found.train, found.heldout])
    (odd,) = [image for image in everything if image.any()]
    return odd[:, 0, 0]


@pytest.mark.parametrize(
    ("mode", "colour", "seen"),
    [("RGBA", (10, 20, 30, 0), [255, 255, 255]), ("RGBA", (10, 20, 30, 255), [10, 20, 30]),
     ("RGBA", (0, 0, 100, 51), [204, 204, 224]), ("LA", (10, 0), [255]), ("LA", (10, 255), [10])],
)  # fmt: skip
def test_transparent_pixels_are_seen_on_white(tmp_path: Path, mode: str, colour: tuple[int, ...], seen: list[int]) -> None:
    folder = pictures(tmp_path / "p", mode="L" if mode == "LA" else "RGB", n=1)
    for i in range(1, 20):
        (folder / f"{i:02d}.png").write_bytes((folder / "00.png").read_bytes())
    Image.new(mode, (8, 8), colour).save(folder / "99.png")
    assert one(folder).tolist() == seen
    assert "1 with transparency, composed on white" in told({"name": "folder", "path": str(folder)})


def black(folder: Path) -> Path:
    folder.mkdir()
    for i in range(20):
        Image.new("RGB", (8, 8)).save(folder / f"{i:02d}.png")
    return folder


def test_palettes_cmyk_and_the_first_of_several_frames_are_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), c) for c in ((200, 0, 0), (0, 200, 0))]
    for i, (name, save) in enumerate({
        "99.png": lambda file: frames[0].quantize(4).save(file),
        "99.gif": lambda file: frames[0].save(file, save_all=True, append_images=frames[1:]),
        "99.webp": lambda file: frames[0].save(file, save_all=True, append_images=frames[1:], lossless=True),
        "99.tif": lambda file: frames[0].convert("CMYK").save(file, save_all=True, append_images=[frames[1].convert("CMYK")]),
    }.items()):
        folder = black(tmp_path / str(i))
        save(folder / name)
        assert one(folder).tolist() == [200, 0, 0]
        several = "of 1 with several frames the first is read" in told({"name": "folder", "path": str(folder)})
        assert several == (name != "99.png")


@pytest.mark.parametrize("channels", [1, 3])
def test_tiff_of_16_bits_is_refused(tmp_path: Path, channels: int) -> None:
    folder, x = black(tmp_path / "p"), np.full((8, 8, channels), 300, "<u2")
    shorts = [(256, 1, 8), (257, 1, 8), (259, 1, 1), (262, 1, 1 if channels == 1 else 2), (277, 1, channels), (278, 1, 8),
              (279, 1, x.nbytes)]
    bits = 8 + x.nbytes
    entries = [*((tag, 3, n, value) for tag, n, value in shorts), (273, 4, 1, 8),
               (258, 3, channels, 16 if channels == 1 else bits)]
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries)) + bytes(4)
    start = b"II*\0" + struct.pack("<I", bits + 6)
    (folder / "05.tif").write_bytes(start + x.tobytes() + struct.pack("<3H", 16, 16, 16) + table)
    assert "05.tif has more than 8 bits per channel" in refused_alike({"name": "folder", "path": str(folder)})


def test_all_files_that_cannot_be_used_are_named_at_once(tmp_path: Path) -> None:
    folder = black(tmp_path / "p")
    for name in ("03.png", "05.jpg", "07.png"):
        (folder / name).write_bytes(b"no image")
    with pytest.raises(ConfigError) as caught:
        data.inspect(source({"name": "folder", "path": str(folder)}))
    assert "03.png is not a readable image" in str(caught.value)
    assert str(caught.value).endswith("; nor can 2 more be used: 05.jpg, 07.png")


@pytest.mark.filterwarnings("ignore:Truncated File Read")
@pytest.mark.parametrize("suffix", ["jpg", "gif", "webp", "bmp", "tif"])
def test_files_cut_short_are_refused_by_name(tmp_path: Path, suffix: str) -> None:
    folder = black(tmp_path / "p")
    Image.fromarray(pixels(8, 8, 3)).save(folder / f"05.{suffix}")
    whole = (folder / f"05.{suffix}").read_bytes()
    for keep in (0.3, 0.7):
        (folder / f"05.{suffix}").write_bytes(whole[: int(keep * len(whole))])
        assert f"05.{suffix} is not a readable image" in refused_alike({"name": "folder", "path": str(folder)})


def test_arrays_in_any_order_are_the_same_data(tmp_path: Path) -> None:
    x = pixels(20, 3, 8, 6)
    plain = arrays(tmp_path, x)
    np.save(tmp_path / "f.npy", np.asfortranarray(x))
    mapped = np.lib.format.open_memmap(tmp_path / "m.npy", mode="w+", dtype=np.uint8, shape=x.shape)
    mapped[:] = x
    mapped.flush()
    np.savez_compressed(tmp_path / "z.npz", labels=np.arange(20), train=np.asfortranarray(x))
    for name in ("f.npy", "m.npy", "z.npz"):
        other = data.load(source({"name": "arrays", "path": str(tmp_path / name)}))
        assert other.hash == plain.hash and torch.equal(other.train, plain.train) and other.train.is_contiguous()


def test_arrays_that_are_not_read_are_refused_by_name(tmp_path: Path) -> None:
    several = np.empty(20, object)
    several[:] = [pixels(8, 8 + i % 2) for i in range(20)]
    np.save(tmp_path / "o.npy", several)
    np.savez(tmp_path / "o.npz", images=several)
    for name in ("o.npy", "o.npz"):
        assert "holds Python objects" in refused_alike({"name": "arrays", "path": str(tmp_path / name)})
    np.savez(tmp_path / "s.npz", first=pixels(20, 8, 8), second=pixels(20, 8, 8))
    assert "name the images 'images'" in refused_alike({"name": "arrays", "path": str(tmp_path / "s.npz")})
    raw = np.memmap(tmp_path / "raw.npy", np.uint8, "w+", shape=(20, 8, 8))
    raw.flush()
    for name, content in (("raw.npy", None), ("pickle.npy", b"\x80\x04}\x94."), ("empty.npy", b"")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        message = refused_alike({"name": "arrays", "path": str(tmp_path / name)})
        assert f"{name} is not a readable .npy or .npz file" in message and "\n" not in message
    np.save(tmp_path / "cut.npy", pixels(20, 8, 8))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-5])
    assert "cut.npy is not a readable" in refused_alike({"name": "arrays", "path": str(tmp_path / "cut.npy")})
    np.save(tmp_path / "i.npy", pixels(20, 8, 8).astype(np.int8))
    assert "holds int8" in refused_alike({"name": "arrays", "path": str(tmp_path / "i.npy")})
