"""The steps of a call with two phones."""

from collections.abc import Iterator

from caller.models import Call, Recording
from caller.steps import (
    DONE,
    NOW,
    Step,
    format_elapsed,
    later_steps,
    unknown_detail,
)


def conversation_steps(call: Call, whose: str) -> Iterator[Step]:
    """Yield the steps up to the end of the conversation.

    If the call ended without success, caller.timeline adds a step with the reason.
    whose: "Your" or "The operator’s", for steps such as "Your phone is ringing".
    """
    before = list(_operator_steps(call, whose))
    if call.leg.accepted_at:
        before += _other_steps(call)
    yield from before
    # `second` is the phone that <Dial> called.
    second = call.leg if call.is_inbound else call
    if call.is_finished:
        if call.status == Call.Status.COMPLETED:
            is_talk = second.status == Call.Status.COMPLETED
            yield _connected_step(call) if is_talk else _not_connected_step(call)
    elif second.status == Call.Status.IN_PROGRESS:
        yield Step("Connected", NOW, second.answered_at)
    elif second.is_finished:
        yield Step("Leaving a message", NOW, second.ended_at)
    else:
        if not any(step.state == NOW for step in before):
            yield Step("Calling the other person", NOW, call.leg.accepted_at)
        yield from later_steps("Connected")


def _operator_steps(call: Call, whose: str) -> Iterator[Step]:
    """Yield the steps of the operator's phone."""
    leg, rank = call.leg, Call.rank(call.leg.status)
    phone = f"{whose} phone"
    who = "You" if whose == "Your" else "The operator"
    if rank < Call.rank(Call.Status.RINGING):
        if not call.is_finished:
            name = f"Calling {phone.lower()}"
            yield Step(name, NOW, call.queued_at, detail=unknown_detail(call))
        return
    if rank < Call.rank(Call.Status.IN_PROGRESS):
        yield Step(f"{phone} is ringing", NOW, leg.ringing_at)
        return
    is_answered = leg.status in (Call.Status.IN_PROGRESS, Call.Status.COMPLETED)
    if is_answered or leg.ringing_at:
        until = leg.answered_at or leg.ended_at
        yield Step(
            f"{phone} rang", DONE, leg.ringing_at, format_elapsed(leg.ringing_at, until)
        )
    if not is_answered:
        return
    if leg.accepted_at or call.is_inbound:
        took = format_elapsed(leg.answered_at, leg.accepted_at)
        yield Step(f"{who} answered", DONE, leg.answered_at, took)
    elif not leg.is_finished:
        yield Step(
            f"{who} answered", NOW, leg.answered_at, detail="Waiting for a key press."
        )
    else:
        yield Step(f"{who} answered", DONE, leg.answered_at)


def _other_steps(call: Call) -> Iterator[Step]:
    """Yield the step "Their phone is ringing" or "Their phone rang".

    Yield nothing before the first ring, or if the call ended without success.
    """
    rank = Call.rank(call.status)
    if call.is_finished and call.status != Call.Status.COMPLETED:
        return
    if rank < Call.rank(Call.Status.RINGING):
        return
    if rank < Call.rank(Call.Status.IN_PROGRESS):
        yield Step("Their phone is ringing", NOW, call.ringing_at)
        return
    rang = format_elapsed(call.ringing_at, call.answered_at)
    yield Step("Their phone rang", DONE, call.ringing_at, rang)


def _not_connected_step(call: Call) -> Step:
    """Return the last step of an incoming call that no operator answered."""
    recorded = {recording.status for recording in call.recordings.all()}
    left_one = Recording.Status.COMPLETED in recorded
    name = "Left a message" if left_one else "Not connected"
    return Step(name, DONE, call.answered_at)


def _connected_step(call: Call) -> Step:
    hung_up = ""
    if call.leg.hung_up_first is not None:
        who = "The operator" if call.leg.hung_up_first else "They"
        hung_up = f"{who} hung up."
    took = format_elapsed(call.answered_at, call.ended_at)
    cost = call.cost and f"cost {call.cost}"
    detail = " ".join(filter(None, [hung_up, cost]))
    return Step("Connected", DONE, call.answered_at, took, detail)
