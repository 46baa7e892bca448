"""Claims about leases: one holder, whoever asks, from whatever host, and a dead one is replaced."""

import json
import threading

from sweeps.engine.lease import Lease


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def lease(path, clock, length=30.0):
    return Lease(path / "controller.json", length, clock)


def elsewhere(path):
    """The holder is on another host: only its silence can tell that it is gone."""
    file = path / "controller.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "host": "elsewhere"}))


def test_one_of_many_gets_it(tmp_path):
    clock = Clock()
    every = [lease(tmp_path, clock) for _ in range(20)]
    won = []
    threads = [threading.Thread(target=lambda each=each: won.append(each.acquire())) for each in every]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(won) == 1


def test_a_holder_that_renews_keeps_it_for_ever(tmp_path):
    clock = Clock()
    first, second = lease(tmp_path, clock), lease(tmp_path, clock)
    assert first.acquire()
    for _ in range(50):
        clock.now += 10
        assert first.renew() and not second.acquire()


def test_a_silent_holder_of_another_host_is_replaced_after_the_lease_and_notices(tmp_path):
    clock = Clock()
    first, second, third = (lease(tmp_path, clock) for _ in range(3))
    assert first.acquire()
    elsewhere(tmp_path)
    for clock.now, free in ((0.0, False), (29.0, False), (31.0, True)):
        assert second.acquire() == free
    assert not first.renew() and not third.acquire()
    first.release()  # not his any more
    assert second.renew() and not third.acquire()


def test_a_file_that_cannot_be_read_for_a_moment_costs_the_holder_nothing(tmp_path, monkeypatch):
    clock = Clock()
    first, second = lease(tmp_path, clock), lease(tmp_path, clock)
    assert first.acquire()
    clock.now = 10.0
    with monkeypatch.context() as patch:
        patch.setattr(Lease, "_read", lambda self: None)
        assert first.renew()
    clock.now = 12.0
    assert first.renew() and not second.acquire()
    clock.now = 50.0
    monkeypatch.setattr(Lease, "_read", lambda self: None)
    assert not first.renew()  # for longer than the lease: somebody else may have it


def test_a_dead_process_of_this_host_is_replaced_at_once(tmp_path):
    clock = Clock()
    assert lease(tmp_path, clock).acquire()
    file = tmp_path / "controller.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pid": 2**22 + 1}))
    assert lease(tmp_path, clock).acquire()


def test_what_is_given_back_is_free(tmp_path):
    clock = Clock()
    first = lease(tmp_path, clock)
    assert first.acquire()
    first.release()
    assert lease(tmp_path, clock).acquire() and list(tmp_path.iterdir()) == [tmp_path / "controller.json"]


def test_a_torn_file_lapses_like_any_other(tmp_path):
    clock = Clock()
    (tmp_path / "controller.json").write_text('{"host": ')
    second = lease(tmp_path, clock)
    assert not second.acquire()
    clock.now = 31.0
    assert second.acquire()
