"""Continuous batching, request by request: admission, chunks of prompts, decoding, preemption."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_LOOK_AHEAD = 64
"""Steps in which nothing but decoding happens are taken together, up to so many."""

StepTime = Callable[[int, int, int], float]
"""Seconds of a step: sequences that decode, prompt tokens, tokens in their caches."""


@dataclass(frozen=True)
class Admission:
    """What the scheduler allows.

    Attributes:
        clients: requests in flight.
        budget: tokens of a step.
        room: tokens of the cache.
        chunked: prompts are cut to the budget and share steps with decoding; else they run whole, in their own steps.
    """

    clients: int
    budget: int
    room: int
    chunked: bool


@dataclass(frozen=True)
class Steady:
    """What a load test reports once it is under way: tokens/s generated, mean TTFT and TPOT in seconds."""

    rate: float
    ttft: float
    tpot: float


@dataclass
class _Request:
    """A request; `prompt` and `answer` are what is left of it after a preemption, `tokens` is its whole answer."""

    prompt: int
    answer: int
    tokens: int
    arrived: float
    left: int
    first: float = 0.0


def steady(admission: Admission, requests: Sequence[tuple[int, int]], seconds: StepTime) -> Steady:
    """Serve all requests, a new one for each that is complete; the first round of clients is not reported."""
    lane = _Lane(admission, deque(requests), seconds)
    for _ in range(min(admission.clients, len(requests))):
        lane.arrive()
    while lane.done < len(requests):
        lane.admit()
        lane.step()
        lane.complete()
        lane.preempt()
    return lane.reported()


@dataclass
class _Lane:
    """The state of one batch.

    Attributes:
        decoding: heap of (tick at which the answer is complete, serial number, request).
        tick: decoding steps so far.
        context: tokens in the caches of decoding requests.
        began: when and after how many tokens reporting began.
    """

    admission: Admission
    coming: deque[tuple[int, int]]
    seconds: StepTime
    waiting: deque[_Request] = field(default_factory=deque)
    prefilling: deque[_Request] = field(default_factory=deque)
    decoding: list[tuple[int, int, _Request]] = field(default_factory=list)
    now: float = 0.0
    tick: int = 0
    serial: int = 0
    done: int = 0
    produced: int = 0
    context: int = 0
    began: tuple[float, int] = (0.0, 0)
    first_tokens: list[float] = field(default_factory=list)
    paces: list[float] = field(default_factory=list)

    def arrive(self) -> None:
        prompt, answer = self.coming.popleft()
        self.waiting.append(_Request(prompt, answer, answer, self.now, prompt))

    def admit(self) -> None:
        """Requests enter while their prompts fit into the cache; one that is alone always does."""
        used = self.context + sum(each.prompt - each.left for each in self.prefilling)
        while self.waiting and len(self.prefilling) + len(self.decoding) < self.admission.clients:
            busy = self.prefilling or self.decoding
            if busy and used + self.waiting[0].prompt > self.admission.room:
                break
            used += self.waiting[0].prompt
            self.prefilling.append(self.waiting.popleft())

    def step(self) -> None:
        chunks = self._chunks()
        prefill = sum(size for _, size in chunks)
        runs = len(self.decoding) if self.admission.chunked or not prefill else 0
        steps = 1
        if not prefill and self.decoding:
            growth = max(1, (self.admission.room - self.context) // runs)
            steps = max(1, min(self.decoding[0][0] - self.tick, growth, _LOOK_AHEAD))
        self.now += steps * self.seconds(runs, prefill, self.context + runs * steps // 2 if runs else 0)
        if runs:
            self.tick += steps
            self.produced += runs * steps
            self.context += runs * steps
        for each, size in chunks:
            each.left -= size
            if not each.left:
                self._first_token(each)

    def _chunks(self) -> list[tuple[_Request, int]]:
        chunked, left = self.admission.chunked, self.admission.budget
        if chunked:
            left -= len(self.decoding)
        found: list[tuple[_Request, int]] = []
        for each in self.prefilling:
            size = min(each.left, left) if chunked else each.left
            # A prompt that is alone runs, however long.
            if size <= 0 or (size > left and found):
                break
            found.append((each, size))
            left -= size
        return found

    def _first_token(self, each: _Request) -> None:
        self.prefilling.remove(each)
        if not each.first:
            each.first = self.now
            self.first_tokens.append(self.now - each.arrived)
        self.produced += 1
        self.context += each.prompt
        self.serial += 1
        heapq.heappush(self.decoding, (self.tick + each.answer - 1, self.serial, each))

    def complete(self) -> None:
        while self.decoding and self.decoding[0][0] <= self.tick:
            _, _, each = heapq.heappop(self.decoding)
            self.done += 1
            self.context -= each.prompt + each.answer - 1
            self.paces.append((self.now - each.first) / (each.tokens - 1))
            if self.coming:
                self.arrive()
            if self.done == self.admission.clients:
                self.began = (self.now, self.produced)
                self.first_tokens, self.paces = [], []

    def preempt(self) -> None:
        """No room is left: the youngest gives its own up, and starts over with what it has generated as its prompt."""
        while self.context > self.admission.room and len(self.decoding) > 1:
            end, number, each = max(self.decoding, key=lambda entry: entry[1])
            self.decoding.remove((end, number, each))
            heapq.heapify(self.decoding)
            generated = each.answer - 1 - (end - self.tick)
            self.context -= each.prompt + generated
            each.prompt, each.answer = each.prompt + generated, max(2, each.answer - generated - 1)
            each.left = each.prompt
            self.waiting.appendleft(each)

    def reported(self) -> Steady:
        start, before = self.began if self.now > self.began[0] else (0.0, 0)
        return Steady((self.produced - before) / (self.now - start), _mean(self.first_tokens), _mean(self.paces))


def coarse(count: int, grain: int) -> int:
    """Rounded up, so that steps that hardly differ are computed once."""
    return math.ceil(count / grain) * grain


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
