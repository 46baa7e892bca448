"""Claims about a thousand jobs on a cluster where everything goes wrong: preemptions, node losses, delays, dead controllers."""

import os
from dataclasses import replace

import pytest
from fake_campaign import RULES, Campaign, jobs

from sweeps.backends.simulated_parts import Luck
from sweeps.engine.book import Book
from sweeps.engine.seam import Held, Started
from sweeps.plan.states import FINAL, State

SLOW = bool(os.environ.get("FEWSTEP_SLOW"))
BAD = ("lost", "failed")
CALM = Luck(0, 0, 0, 0, 0, 0.5, 0, 0, 60.0, 0, 0)


def honest(campaign):
    """Every job is done, or dead for a reason that its attempts show, or waits for one that is."""
    states, plan = campaign.control.states, campaign.plan
    ends = {id: [] for id in plan.ids}
    for line in campaign.lines("ended"):
        ends[line["job"]].append(line)
    for id in plan.ids:
        if states[id] == State.DEAD:
            bad = [e for e in ends[id] if e["outcome"] in BAD and e["kind"] != "memory"]
            tail = [e for e in ends[id] if e["kind"] != "memory"][-RULES.patience:]
            best = max([0, *(e["reached"] for e in ends[id][:-RULES.patience])])
            stuck = len(tail) == RULES.patience and all(e["reached"] <= max(best, tail[0]["reached"]) for e in tail)
            assert len(bad) >= RULES.attempts or stuck, (id, ends[id])
        elif states[id] == State.FAILED:
            assert ends[id][-1]["kind"] == "memory" and len([e for e in ends[id] if e["kind"] == "memory"]) > 3
        elif states[id] == State.SKIPPED:
            assert any(states[p] in (State.DEAD, State.FAILED, State.SKIPPED) for p in plan[id].parents)
        else:
            assert states[id] == State.DONE and campaign.cluster.runs[id].status in FINAL
    assert campaign.control.frontier.skipped.keys() == {id for id in plan.ids if states[id] == State.SKIPPED}


def careful(campaign):
    """Nothing finished is executed or even submitted again, no job has two open attempts, parents come first."""
    assert campaign.cluster.finished_again == []
    runs, open = campaign.cluster.runs, {}
    for line in campaign.files.lines:
        if line["event"] == "intent":
            assert line["job"] not in open
            assert line["job"] not in runs or runs[line["job"]].finished > line["time"]
            assert all(runs[parent].finished <= line["time"] for parent in campaign.plan[line["job"]].parents)
            open[line["job"]] = line["attempt"]
        elif line["event"] in ("ended", "void"):
            assert open.pop(line["job"]) == line["attempt"]
    assert not open
    tags = [line["tag"] for line in campaign.lines("intent")]
    assert len(set(tags)) == len(tags)


def replayed(campaign):
    """The journal alone gives back all that the controller knew."""
    book = Book.read(campaign.files.lines)
    assert book.jobs == campaign.control.book.jobs and book.nodes == campaign.control.book.nodes and book.over


@pytest.mark.parametrize("seed", range(200 if SLOW else 25))
def test_a_thousand_jobs_on_sixty_four_gpus_all_end_done_or_honestly_dead(seed):
    campaign = Campaign(jobs(1000, seed), seed).run()
    honest(campaign)
    careful(campaign)
    replayed(campaign)
    done = sum(state == State.DONE for state in campaign.control.states.values())
    assert done > 900


@pytest.mark.parametrize("seed", range(200))
def test_a_hundred_jobs_in_far_worse_weather(seed):
    luck = Luck(preempt=0.3, lose_node=0.1, vanish=0.08, oom=0.05, blind=0.2, hide=0.1, refuse=0.15, zombie=0.5,
                most=(None, 5, 20)[seed % 3])
    campaign = Campaign(jobs(100, seed), seed, luck, nodes=4).run()
    honest(campaign)
    careful(campaign)
    replayed(campaign)


@pytest.mark.parametrize("most", [1, 7, 30])
@pytest.mark.parametrize("seed", range(10))
def test_a_site_that_lets_a_user_have_few_jobs_runs_all_of_them(seed, most):
    """An array that goes beyond is refused as a whole, and nobody says by how much."""
    campaign = Campaign(jobs(100, seed), seed, Luck(most=most), nodes=4)
    cluster, active = campaign.cluster, []
    submit = cluster.submit

    def watched(attempts):
        answers = submit(attempts)
        active.append(cluster._active)
        return answers

    cluster.submit = watched
    campaign.run()
    honest(campaign)
    careful(campaign)
    replayed(campaign)
    assert max(active) <= most
    refused = [line for line in campaign.lines("void") if line.get("reason")]
    assert {line["reason"] for line in refused} == {"the user has too many jobs"}


def test_a_limit_is_found_in_one_pass_and_used_whole():
    campaign = Campaign(jobs(200, 3), 3, replace(CALM, most=13), crashes=False)
    control = campaign.control = campaign.controller()
    control.begin()
    control.step()
    assert len(control.live) == min(13, len(control.live) + len(control.frontier)) == 13
    held = [event for event in campaign.events if isinstance(event, Held)]
    assert held == [Held(len(control.frontier), "the user has too many jobs")]
    assert sum(isinstance(event, Started) for event in campaign.events) == 13, "what was refused does not start"


def test_the_same_history_leads_to_the_same_decisions():
    first, second = (Campaign(jobs(200, 6), 6).run() for _ in range(2))
    assert first.files.lines == second.files.lines and first.events == second.events and first.killed == second.killed > 0


def test_nothing_but_good_weather_takes_one_attempt_each():
    campaign = Campaign(jobs(300, 1), 1, CALM, crashes=False).run()
    assert set(campaign.control.states.values()) == {State.DONE}
    assert len(campaign.lines("intent")) == 300 and all(run.executions == 1 for run in campaign.cluster.runs.values())


@pytest.mark.parametrize("seed", range(10))
def test_jobs_that_hang_are_ended_and_started_again(seed):
    rules = replace(RULES, hang=4000.0)  # longer than any job: only the beginning and the end of one are written down here
    campaign = Campaign(jobs(100, seed), seed, Luck(hang=0.1), nodes=4, rules=rules).run()
    honest(campaign)
    careful(campaign)
    replayed(campaign)
    hung = [line for line in campaign.lines("ended") if line["reason"].startswith("it hung")]
    assert len(hung) > 3 and {(line["outcome"], line["kind"]) for line in hung} == {("lost", "infrastructure")}
