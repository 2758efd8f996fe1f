"""What alone would place everything, and how much more there is room for; each answer was asked and did fit."""

from __future__ import annotations

from collections.abc import Sequence

from kvplan.answers.fit_result import Headroom, Remedy
from kvplan.answers.place_question import PlaceQuestion
from kvplan.answers.place_result import Place
from kvplan.answers.remedies import (
    FACTORS,
    FORMATS,
    Ask,
    first,
    headroom,
    holds,
    least,
    lighter,
    model_len,
    most,
    percents,
)
from kvplan.footprint.room import longest
from kvplan.spec.fleet import MAX_ACCELERATORS
from kvplan.spec.workload import RequestClass
from kvplan.units import ceil_div


def headroom_of(question: PlaceQuestion, ask: Ask) -> tuple[Headroom, ...]:
    """How much more could be placed: of the one class of requests, or of all classes alike."""
    classes = [item for one in question.deployments for item in one.classes]
    if len(classes) != 1:
        return _of_all(question.workload.requests, ask) if classes else ()
    request = classes[0].request
    assert request.input is not None
    assert request.output is not None
    return headroom(ask, request.sequences, request.input.high + request.output.high)


def _of_all(requests: Sequence[RequestClass], ask: Ask) -> tuple[Headroom, ...]:
    """How many times the sequences of all classes together, in hundredths."""

    def fits(hundredths: int) -> bool:
        more = {
            f"requests.{index}.sequences": ceil_div(item.sequences * (100 + hundredths), 100)
            for index, item in enumerate(requests)
        }
        return holds(ask, {"set": more})

    return (Headroom("batch", 1 + longest(fits, 100 * 2**20) / 100),)


def would_fit(question: PlaceQuestion, result: Place, ask: Ask) -> tuple[Remedy, ...]:
    """The least change of each knob that alone places everything."""
    found: list[Remedy] = []
    classes = [item for one in question.deployments for item in one.classes]
    if len(classes) == 1:
        request = classes[0].request
        assert request.input is not None
        assert request.output is not None
        found += most(ask, "batch", request.sequences)
        found += most(ask, "context", request.input.high + request.output.high)
    found += _of_the_fleet(question, ask)
    if len(question.deployments) == 1:
        found += _of_the_deployment(question, result, ask)
    return tuple(found)


def _of_the_fleet(question: PlaceQuestion, ask: Ask) -> list[Remedy]:
    """More racks, where the fleet is of one part."""
    fleet = question.workload.fleet
    if len(fleet) != 1:
        return []
    rack = fleet[0].system.fabric.total
    return least(ask, "count", fleet[0].count + 1, max(1, MAX_ACCELERATORS // rack))


def _of_the_deployment(question: PlaceQuestion, result: Place, ask: Ask) -> list[Remedy]:
    one = question.deployments[0]
    deployment, split = one.case.deployment, one.case.served.split
    found: list[Remedy] = []
    if not deployment.replicas.auto:
        found += least(ask, "replicas", deployment.replicas.number + 1, result.accelerators_total // one.seat)
    if deployment.topology == "required":
        found += first(ask, "topology", ["preferred"])
    if any(note.rule == "KV109" for note in result.notes):
        found += model_len(ask, one.case.longest_context, one.case.max_model_len)
    limit = deployment.limits.max_num_seqs
    if limit is not None:
        found += least(ask, "max_num_seqs", limit + 1, sum(item.regions.number for item in one.classes))
    found += first(ask, "kv_format", FORMATS)
    found += first(ask, "tensor_parallel", (split.tensor_parallel * factor for factor in FACTORS))
    found += first(ask, "memory_fraction", percents(float(one.memory.fraction)))
    found += first(ask, "weights", lighter(one.case))
    return found
