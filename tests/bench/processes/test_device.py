"""A job that was promised a GPU never trains on a CPU in silence: its node is at fault, before anything is trained."""

from pathlib import Path

import pytest
from small_runs import planned

from bench.job import execute
from bench.processes.device import NoGpu
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


@pytest.mark.parametrize("more", [("backend.device=cpu",), ("backend.gpus=0",), ("backend.gpus=null",)])
def test_who_asked_for_no_gpu_gets_the_cpu(more: tuple[str, ...], tmp_path: Path) -> None:
    for job in planned("flow_matching", *SLURM, *more):
        assert execute(job.config, str(tmp_path / job.id), lambda message: False) == "done"
