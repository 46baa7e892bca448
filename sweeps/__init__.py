"""Many experiments: what to run, in which order, and how to survive what goes wrong.

The floor knows no tensors. It receives plain data and the dotted name of the function that runs one experiment,
so the whole scheduler is tested without training anything.

    spec.py      axes -> points                     states.py    what is finished, what may start now (pure)
    plan.py      jobs -> an ordered, checked plan   describe.py  a plan as text
    engine.py    the reconcile loop                 backend.py   the seam between the loop and what executes
    local.py     worker processes on this machine   worker.py    one run inside such a process
    journal.py   the record of attempts             progress.py  what the person in front of the screen sees
"""

from sweeps.backend import SweepError
from sweeps.engine import Outcome
from sweeps.plan import Job, Plan, PlanError
from sweeps.spec import SpecError, expand
from sweeps.states import Decision, State, decide, read_states

__all__ = ["Decision", "Job", "Outcome", "Plan", "PlanError", "SpecError", "State", "SweepError", "decide", "expand",
           "read_states"]
