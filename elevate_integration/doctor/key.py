"""The API key by what earlier calls tell. Sends nothing."""

from __future__ import annotations

from elevate_integration.conf import conf
from elevate_integration.delivery.gate import KEY
from elevate_integration.doctor.findings import ERROR, OK, WARNING, Finding
from elevate_integration.lifecycle import Outcome
from elevate_integration.models import Attempt, database
from elevate_integration.staff import delivery_state

_NEWEST = 200


def look_at_key() -> Finding:
    """Tell by earlier calls alone whether Elevate took the key."""
    using = database()
    state = delivery_state()
    how = (
        "Nothing was sent: registering is the only other proof. The calls kept here were read. `--key` asks Elevate's"
        " report, where that is part of your contract."
    )
    if state.gate == KEY:
        since = f" since {state.gate_since:%Y-%m-%d %H:%M}" if state.gate_since else ""
        text = f"Elevate refuses the key{since}."
        return Finding(
            ERROR, "key.calls", text, how, f"Compare the key of {key_name()} with the one in Elevate."
        )
    newest = list(Attempt.objects.using(using).order_by("-pk")[:_NEWEST])
    # What staff or a comparison settled has no status code: no key was sent.
    answered = (call for call in newest if call.outcome == Outcome.DONE and call.status_code is not None)
    done = next((call.finished_at for call in answered), None)
    refused = next((call.finished_at for call in newest if _was_about_key(call)), None)
    if refused is not None and (done is None or refused > done):
        text = f"The last refusal of the key was at {refused:%Y-%m-%d %H:%M}, and no call was done since."
        mend = f"Compare the key of {key_name()} with the one in Elevate; retry a registration."
        return Finding(WARNING, "key.calls", text, how, mend)
    if done is None:
        text = "Whether Elevate accepts the key cannot be told without side effects: no call that is kept tells of it."
        return Finding(OK, "key.calls", text, how)
    text = f"Elevate last did what a call asked at {done:%Y-%m-%d %H:%M}, with the key that was set then."
    return Finding(OK, "key.calls", text, how, data={"last_done": done.isoformat()})


def key_name() -> str:
    """Name the setting that the key comes from."""
    return "ELEVATE['API_KEY_FILE']" if conf().api_key_file else "ELEVATE['API_KEY']"


def _was_about_key(call: Attempt) -> bool:
    if call.outcome != Outcome.REFUSED:
        return False
    fields = {pair[0] for pair in call.messages if isinstance(pair, list | tuple) and pair}
    return call.status_code in (401, 403) or bool(fields & conf().key_fields)
