"""Claims about the real Slurm and PostgreSQL that other tests rely on: they run jobs on several nodes, they hold a study, and
nothing of them outlives a session that was killed."""

import os
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import optuna
import pytest
import slurmbox
import submitit
from daemons import alive, free_ports, wait_until
from fake_tasks import where
from places import SUPPORT, TESTS


@pytest.fixture
def client(slurm, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", slurmbox.config(slurm))
    return slurm


def test_a_job_runs_on_two_nodes_at_once(client, tmp_path):
    executor = submitit.SlurmExecutor(tmp_path)
    setup = [f"export PYTHONPATH={SUPPORT}:{TESTS}/cluster"]
    executor.update_parameters(nodes=2, ntasks_per_node=1, mem="200MB", time=15, setup=setup)
    (first_nodes, first, zero), (_, second, one) = executor.submit(where).results()
    assert {first, second} == set(first_nodes) and len(first_nodes) == 2 and (zero, one) == (0, 1)


def test_accounting_answers_with_the_final_state(client):
    number = subprocess.run(["sbatch", "--parsable", "--output=/dev/null", "--wrap=exit 3"], capture_output=True, text=True,
                            check=True).stdout.strip()

    def state():
        command = ["sacct", "-nXPj", number, "-o", "State,ExitCode"]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    wait_until(lambda: state() == "FAILED|3:0", 600, "the end of the job in the accounting")


def test_a_study_lives_in_postgresql(postgres):
    name = uuid.uuid4().hex
    study = optuna.create_study(storage=postgres, study_name=name, sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    study.tell(trial, trial.params["x"])
    again = optuna.load_study(study_name=name, storage=postgres)
    assert again.best_value == trial.params["x"]


def test_what_a_killed_session_leaves_is_ended_by_the_next(slurm_without_accounting):
    """The session of the test is a process of its own; `slurm_without_accounting` only says whether there is a Slurm."""
    place = Path(tempfile.mkdtemp(prefix="fewstep-test-"))
    script = ("import fixtures, pathlib, sys, time; fixtures.PLACE = pathlib.Path(sys.argv[1])\n"
              "with fixtures._folder(fixtures.slurmbox.stop) as box:\n"
              "    fixtures.slurmbox.start(box, nodes=1, cpus=1)\n"
              "    print(box, flush=True)\n"
              "    time.sleep(float(sys.argv[2]))\n")

    def session(patience):
        return subprocess.Popen([sys.executable, "-c", script, place, patience], stdout=subprocess.PIPE, text=True,
                                env={**os.environ, "PYTHONPATH": str(TESTS / "cluster")})

    killed = session("3600")
    box = Path(killed.stdout.readline().strip())
    subprocess.run(["sbatch", "--output=/dev/null", "--mem=100", "--wrap=sleep 3600"], env=slurmbox.client(box), check=True,
                   stdout=subprocess.DEVNULL)
    wait_until(lambda: slurmbox.job_processes(box), 600, "a running job")
    daemons = [alive(box / f"{name}.pid", name.split(".")[0]) for name in ("munged", "slurmctld", "slurmd.n1")]
    job = slurmbox.job_processes(box)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert all(daemons)

    following = session("0")
    assert following.wait(timeout=600) == 0
    assert not [pid for pid in daemons + job if Path(f"/proc/{pid}").exists() and "State:\tZ" not in _status(pid)]
    place.rmdir()  # it is empty


def test_ports_of_a_neighbour_are_not_taken():
    import socket

    with socket.socket() as neighbour:
        base = free_ports(40)
        neighbour.bind(("127.0.0.1", base + 3))
        neighbour.listen()
        assert base + 3 not in range(free_ports(40), free_ports(40) + 40)


def _status(pid):
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "State:\tZ"
