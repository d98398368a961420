"""The device's queue: drawings in order, one at a time, with training steps in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from ui.server.device_queue import Device, QueueFull, Ticket

PATIENCE = 60.0  # seconds after which a test has failed


def until(condition: Callable[[], object]) -> None:
    """Wait until another thread has made the condition true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def join(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def start_step(device: Device, log: list[str]) -> threading.Thread:
    """Start a thread whose training step waits for the device."""

    def work() -> None:
        with device.training_step():
            log.append("step")

    before = len(device._steps)
    thread = in_thread(work)
    until(lambda: len(device._steps) > before)
    return thread


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock of the device."""
    now = [100.0]
    monkeypatch.setattr("ui.server.device_queue.monotonic", lambda: now[0])
    return now


def draw(device: Device, clock: list[float], seconds: float) -> None:
    with device.enter() as ticket:
        assert ticket.wait(0)
        clock[0] += seconds


# --- turns ------------------------------------------------------------------------------------------------


def test_drawings_come_in_the_order_they_entered():
    device, order = Device(max_waiting=20), []
    first = device.enter()
    tickets = [device.enter() for _ in range(20)]

    def work(number: int, ticket: Ticket) -> None:
        with ticket:
            assert ticket.wait(PATIENCE)
            order.append(number)

    threads = [in_thread(lambda n=n, t=t: work(n, t)) for n, t in reversed([*enumerate(tickets)])]
    assert device.waiting == 20 and order == []
    first.leave()
    join(*threads)
    assert order == list(range(20))
    assert device.waiting == 0


def test_never_two_at_once():
    device, inside, most, done = Device(max_waiting=1000), [], [], []

    def hold(name: str) -> None:
        inside.append(name)
        time.sleep(0)  # lets another thread run, if it may
        most.append(len(inside))
        inside.remove(name)
        done.append(name)

    def drawing(number: int) -> None:
        for turn in range(50):
            with device.enter() as ticket:
                if (number + turn) % 7 == 0:
                    continue  # given up while waiting, or with the device just handed over
                assert ticket.wait(PATIENCE)
                hold(f"drawing {number}")

    def training(number: int) -> None:
        for _ in range(50):
            with device.training_step():
                hold(f"training {number}")

    drawings = [in_thread(lambda n=n: drawing(n)) for n in range(8)]
    join(*drawings, *(in_thread(lambda n=n: training(n)) for n in range(3)))
    assert set(most) == {1}
    assert sum(name.startswith("training") for name in done) == 150
    assert device.waiting == 0
    assert device.enter().wait(0)


def test_a_step_is_let_through_between_two_drawings():
    device, log = Device(max_waiting=3), []
    drawings = [device.enter() for _ in range(4)]
    for ticket in drawings[:3]:
        assert ticket.wait(PATIENCE)
        log.append("drawing")
        thread = start_step(device, log)
        ticket.leave()
        join(thread)
    assert drawings[3].wait(PATIENCE)
    assert log == ["drawing", "step"] * 3


def test_drawings_go_before_a_second_step():
    device, log = Device(max_waiting=2), []
    with device.training_step():
        thread = start_step(device, log)
        ticket = device.enter()
        assert not ticket.wait(0)
        assert (ticket.position, device.waiting) == (1, 1)
    assert ticket.wait(0) and log == []
    ticket.leave()
    join(thread)
    assert log == ["step"]


def test_training_alone_is_never_held_up():
    device, steps = Device(max_waiting=1), []
    for number in range(3):
        with device.training_step():
            steps.append(number)
    assert steps == [0, 1, 2]


def test_a_step_that_fails_or_is_interrupted_while_waiting_frees_the_device(monkeypatch):
    device = Device(max_waiting=1)
    with pytest.raises(ZeroDivisionError), device.training_step():
        raise ZeroDivisionError
    ticket = device.enter()
    assert ticket.wait(0)

    def interrupted(condition: threading.Condition, predicate: object, timeout: object = None) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Condition, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt), device.training_step():
            pytest.fail("It is the drawing's turn.")
    ticket.leave()
    assert device.enter().wait(0)


# --- places -----------------------------------------------------------------------------------------------


def test_positions_move_up_when_anyone_leaves():
    device = Device(max_waiting=3)
    tickets = [device.enter() for _ in range(4)]
    assert [ticket.position for ticket in tickets] == [0, 1, 2, 3]
    tickets[2].leave()
    assert [tickets[index].position for index in (0, 1, 3)] == [0, 1, 2]
    assert not tickets[1].wait(0)
    tickets[0].leave()
    tickets[0].leave()  # harmless
    assert [tickets[index].position for index in (1, 3)] == [0, 1]
    assert tickets[1].wait(0) and not tickets[3].wait(0.001)
    with pytest.raises(ValueError):
        _ = tickets[0].position


def test_a_full_queue_refuses_until_a_place_is_free():
    device = Device(max_waiting=2)
    tickets = [device.enter() for _ in range(3)]  # the first has the device and does not wait
    with pytest.raises(QueueFull, match=r"full \(2 waiting\): try again later") as caught:
        device.enter()
    assert (caught.value.waiting, caught.value.seconds, device.waiting) == (2, None, 2)
    with tickets[1]:  # leaves while still waiting
        pass
    assert device.waiting == 1
    assert device.enter().position == 2


def test_without_waiting_places_only_a_free_device_is_given():
    device = Device(max_waiting=0)
    ticket = device.enter()
    with pytest.raises(QueueFull):
        device.enter()
    ticket.leave()
    assert device.enter().wait(0)


# --- the expected wait ------------------------------------------------------------------------------------


def test_the_wait_is_foretold_by_the_last_drawings(clock):
    device = Device(max_waiting=2)
    tickets = [device.enter() for _ in range(2)]
    assert tickets[1].seconds_left is None
    for ticket in tickets:
        ticket.leave()

    for seconds in (1000.0, 10.0, 20.0, 10.0, 20.0, 15.0):  # the first is too long ago to count
        draw(device, clock, seconds)
    tickets = [device.enter() for _ in range(3)]
    clock[0] += 5.0
    assert [ticket.seconds_left for ticket in tickets] == [0.0, 10.0, 25.0]
    with pytest.raises(QueueFull, match="try again in about 40 s") as caught:
        device.enter()
    assert caught.value.seconds == 40.0
    clock[0] += 100.0  # longer than expected: it may end at any moment
    assert [ticket.seconds_left for ticket in tickets] == [0.0, 0.0, 15.0]


def test_a_wait_behind_a_training_step_is_for_the_drawings_ahead(clock):
    device = Device(max_waiting=2)
    draw(device, clock, 10.0)
    with device.training_step():
        assert [device.enter().seconds_left for _ in range(2)] == [0.0, 10.0]


def test_a_drawing_that_failed_foretells_nothing(clock):
    device = Device(max_waiting=1)
    with pytest.raises(ZeroDivisionError), device.enter():
        raise ZeroDivisionError
    device.enter()
    assert device.enter().seconds_left is None
