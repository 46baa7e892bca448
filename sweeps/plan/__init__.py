"""Jobs, their order and their states, as pure functions of plain data. Nothing that starts or waits."""

from sweeps.plan.describe import aligned, count, describe, duration, gpu_time, makespan
from sweeps.plan.frontier import Frontier
from sweeps.plan.jobs import Job, Plan, PlanError
from sweeps.plan.spec import SpecError, expand, one_at_a_time
from sweeps.plan.states import DEAD_ENDS, FINAL, Decision, State, at_start, decide, read_reason, read_states, read_status, todo

__all__ = [
    "DEAD_ENDS", "FINAL", "Decision", "Frontier", "Job", "Plan", "PlanError", "SpecError", "State", "aligned", "at_start",
    "count", "decide", "describe", "duration", "expand", "gpu_time", "makespan", "one_at_a_time", "read_reason", "read_states",
    "read_status", "todo",
]  # fmt: skip
