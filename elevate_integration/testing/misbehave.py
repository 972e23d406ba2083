"""Performs the faults: some are another answer, some another way to send the right one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from elevate_integration.testing.answers import HTML, Answer, refusal
from elevate_integration.testing.faults import Fault

NOT_JSON = b'\x89\xff\xfe{"registration_id": \x00\x80'
ERROR_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head>"
    "<body><h1>Bad gateway</h1><p>The server could not be reached. Try again later.</p></body></html>\n"
)
ENDLESS_START = b'{"product_url": "'
PIECE = b"x" * 65_536


class Wire(Protocol):
    """What a fault needs of a connection."""

    def send(self, answer: Answer) -> None: ...
    def start(self, answer: Answer, headers: Mapping[str, str]) -> None: ...
    def write(self, data: bytes) -> None: ...
    def reset(self) -> None: ...
    def hang_up(self) -> None: ...
    def pause(self, seconds: float) -> None: ...


def send_spoiled(fault: Fault, answer: Answer, *, key: str, wire: Wire) -> None:
    """Send what the fault makes of the answer."""
    if fault.name == "echo_key":
        answer = refusal({"api_key": f"The key {key} is not allowed to do this."}, status=answer.status)
    elif fault.name in _OTHER_ANSWERS:
        answer = _OTHER_ANSWERS[fault.name](answer, fault.options)
    _OTHER_WAYS.get(fault.name, _send)(wire, answer, fault.options)


def _status(answer: Answer, options: Mapping[str, Any]) -> Answer:
    return Answer(options["status"], options["body"], headers=options["headers"])


def _refuse(answer: Answer, options: Mapping[str, Any]) -> Answer:
    return refusal({options["field"]: options["message"]}, status=answer.status)


def _html(answer: Answer, options: Mapping[str, Any]) -> Answer:
    return Answer(options["status"], ERROR_PAGE, HTML)


def _garbage(answer: Answer, options: Mapping[str, Any]) -> Answer:
    return Answer(200, NOT_JSON, "application/json")


def _wrong_type(answer: Answer, options: Mapping[str, Any]) -> Answer:
    return replace(answer, data=[answer.data])


def _no_id(answer: Answer, options: Mapping[str, Any]) -> Answer:
    if not isinstance(answer.data, Mapping):
        return answer
    return replace(answer, data={k: v for k, v in answer.data.items() if k != "registration_id"})


def _nul(answer: Answer, options: Mapping[str, Any]) -> Answer:
    return replace(answer, data=_with_nul(answer.data))


def _with_nul(data: Any) -> Any:
    if isinstance(data, str):
        return data + "\x00"
    if isinstance(data, Mapping):
        return {"message": "\x00", **{name: _with_nul(value) for name, value in data.items()}}
    return data


def _huge(answer: Answer, options: Mapping[str, Any]) -> Answer:
    data = answer.data if isinstance(answer.data, Mapping) else {"message": answer.data}
    return replace(answer, data={**data, "padding": "x" * int(options["size"])})


_OTHER_ANSWERS: dict[str, Callable[[Answer, Mapping[str, Any]], Answer]] = {
    "status": _status,
    "store_then_status": _status,
    "refuse": _refuse,
    "html": _html,
    "garbage": _garbage,
    "wrong_type": _wrong_type,
    "no_id": _no_id,
    "nul": _nul,
    "huge": _huge,
}


def _send(wire: Wire, answer: Answer, options: Mapping[str, Any]) -> None:
    wire.send(answer)


def _dribble(wire: Wire, answer: Answer, options: Mapping[str, Any]) -> None:
    body = answer.body()
    wire.start(answer, {"Content-Length": str(len(body))})
    for position in range(len(body)):
        wire.pause(options["interval"])
        wire.write(body[position : position + 1])


def _endless(wire: Wire, answer: Answer, options: Mapping[str, Any]) -> None:
    wire.start(answer, {"Transfer-Encoding": "chunked"})
    piece = ENDLESS_START
    while True:
        wire.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        wire.pause(0.01)
        piece = PIECE


def _close_half(wire: Wire, answer: Answer, options: Mapping[str, Any]) -> None:
    body = answer.body()
    wire.start(answer, {"Content-Length": str(len(body))})
    wire.write(body[: len(body) // 2])
    wire.hang_up()


def _hang(wire: Wire, answer: Answer, options: Mapping[str, Any]) -> None:
    while True:
        wire.pause(3600)


def _reset(wire: Wire, answer: Answer, options: Mapping[str, Any]) -> None:
    wire.reset()


_OTHER_WAYS: dict[str, Callable[[Wire, Answer, Mapping[str, Any]], None]] = {
    "dribble": _dribble,
    "endless": _endless,
    "close_half": _close_half,
    "hang": _hang,
    "reset_before_reading": _reset,
    "reset_after_storing": _reset,
}
