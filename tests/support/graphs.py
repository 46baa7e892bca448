"""Jobs and random graphs of them."""

from hypothesis import strategies as st

from sweeps.plan import Job


def job(id, *parents, cost=1.0, **more):
    return Job(id, f"label of {id}", {}, parents, cost=cost, seed=0, **more)


@st.composite
def graphs(draw, most=12):
    size = draw(st.integers(1, most))
    parents = [draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set() for i in range(size)]
    order = draw(st.permutations(range(size)))
    costs = draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))
    return [job(f"j{i}", *(f"j{p}" for p in sorted(parents[i])), cost=float(costs[i])) for i in order]
