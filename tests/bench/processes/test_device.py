"""A job that was promised a GPU never trains on a CPU in silence: its node is at fault, before anything is trained."""

from pathlib import Path

import pytest
from small_runs import planned

from bench.config import ConfigError, request
from bench.job import execute
from bench.processes.device import NoGpu, of
from sweeps.engine import Kind
from sweeps.engine.failures import classify

SLURM = ("backend=slurm", "backend.gpus=1", "data=digits", "budget.images=512")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


def test_a_run_and_reference_rows_without_the_promised_gpu_end_as_their_nodes_fault(tmp_path: Path) -> None:
    for job in planned("flow_matching", *SLURM):
        with pytest.raises(NoGpu, match=r"No CUDA GPUs are available on \S+, though this job was given 1") as caught:
            execute(job.config, str(tmp_path / job.id), lambda message: False)
        assert classify(caught.value) == Kind.INFRASTRUCTURE, "another node may have it"
    assert not list(tmp_path.glob("*/checkpoints"))


@pytest.mark.parametrize(("option", "gpus"), [
    ("--gres=gpu:1", 1), ("--gres=gpu", 1), ("--gres=gpu:a100:2", 2), ("--gres=lustre:1,gpu:h100:4(S:0)", 4),
    ("--gres=lustre:2", 0), ("--gpus=2", 2),
    ("--gpus=a100:1", 1), ("--gpus-per-node=4", 4), ("--gpus-per-task 1", 1), ("-G2", 2), ("-G 2", 2),
    ("--tres-per-task=gres/gpu:1", 1), ("--tres-per-node=cpu=4,gres/gpu=2", 2), ("--gpus-per-socket=2", 2), ("--gpus=none", 0),
    ("--exclusive", 0), ("--gpu-bind=closest", 0),
])  # fmt: skip
def test_what_the_sites_own_options_ask_for_is_promised_too(option: str, gpus: int) -> None:
    backend = request(["backend=slurm", f"backend.sbatch=['{option}']"]).backend
    assert backend.promised == gpus
    assert request(["backend=slurm", "backend.device=cpu", f"backend.sbatch=['{option}']"]).backend.promised == 0


def test_a_device_beyond_the_last_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="cuda:99: PyTorch sees no GPU here; use auto or cpu"):
        of("cuda:99")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(ConfigError, match="cuda:2: PyTorch sees 2 GPUs here, the last of them cuda:1"):
        of("cuda:2")
    assert str(of("cuda:1")) == "cuda:1"


@pytest.mark.parametrize("more", [("backend.device=cpu",), ("backend.gpus=0",), ("backend.gpus=null",)])
def test_who_asked_for_no_gpu_gets_the_cpu(more: tuple[str, ...], tmp_path: Path) -> None:
    for job in planned("flow_matching", *SLURM, *more):
        assert execute(job.config, str(tmp_path / job.id), lambda message: False) == "done"
