"""Many experiments: what to run, in which order, and how to survive what goes wrong.

The floor knows no tensors. It receives plain data and the dotted name of the function that runs one experiment,
so the whole scheduler is tested without training anything.

    spec.py       axes -> points                      plan.py      jobs -> an ordered, checked plan
    states.py     what may start now (pure)           frontier.py  the same, kept up to date job by job
    rules.py      what an attempt's end means (pure)  failures.py  exceptions -> kinds of failure
    book.py       the journal as knowledge            files.py     the files of a sweep
    control.py    one pass of the controller          engine.py    the reconcile loop around it
    tracker.py    what it knows and writes down
    lease.py      one controller on all hosts         writer.py    one writer per run folder
    backend.py    the seam to what executes           simulated.py a cluster with a clock, for tests
    local.py      worker processes of this machine    worker.py    one run inside such a process
    inline.py     runs in this process                attempt.py   one run as a job of a cluster
    slurm.py      arrays on a Slurm cluster           slurm_queries.py  what Slurm says of jobs
    slurm_job.py  the inside of a Slurm job           snapshot.py   the code that jobs import
    recorder.py   what a job writes of an attempt     requests.py  cancel and retry, as files
    status.py, cancel.py, retry.py, clean.py          commands that work from files alone
    describe.py   a plan as text                      progress.py  what the person in front of the screen sees
"""

from pathlib import Path
from runpy import run_path

run_path(str(Path(__file__).parents[1] / "results" / "floors.py"))["check"]("results")
