"""The audit trail in sentences: every action that is ever written has its words here, a test sees to it."""

from collections.abc import Mapping
from dataclasses import dataclass

from keymgr.store.audit_names import Names
from keymgr.store.audit_reading import Entry

DONE: Mapping[str, str] = {
    "audit.exported": "exported the audit trail as {}",
    "credential.retired": "retired the old secret of {}",
    "key.expired": "ended {} early",
    "key.fits_again": "found that {} fits the policy again",
    "key.flagged": "found that {} no longer fits the policy",
    "key.grace_ended": "ended the old secret of {}",
    "key.grace_extended": "let the old secret of {} work longer",
    "key.issued": "created {}",
    "key.notified": "told those concerned that {} no longer fits the policy",
    "key.overdue": "found that {} still does not fit the policy after its grace",
    "key.resumed": "put {} back into use",
    "key.revoked": "revoked {}",
    "key.rotated": "rotated {}",
    "key.rotation_undone": "undid the rotation of {}",
    "key.suspended": "suspended {}",
    "override.lifted": "let new keys be issued again for {}",
    "override.placed": "stopped new keys for {}",
    "person.added": "added {}",
    "person.confirmed": "confirmed being {} by password",
    "person.password_chosen": "chose a new password as {}",
    "person.password_set": "set the password of {}",
    "person.session_ended": "ended one sign-in of {}",
    "person.sessions_ended": "signed {} out everywhere",
    "person.signed_in": "signed in",
    "person.signed_out": "signed out",
    "person.state_set": "changed whether {} may act",
    "plan_credential.created": "made the credential {} for pull-request jobs",
    "plan_credential.revoked": "revoked the credential {} of pull-request jobs",
    "policy.applied": "applied a policy, now {}",
    "policy.drift_fixed": "put back what was applied, as {}",
    "policy.rolled_back": "rolled the policy back, now {}",
    "policy.unpinned": "took the pin off the policy, {}",
    "request.amended": "changed the request for {}",
    "request.approved": "approved {}",
    "request.break_glass": "granted {} alone, in an emergency",
    "request.claimed": "claimed {}",
    "request.lapsed": "closed the request for {}, whose time was over",
    "request.made": "asked for approval of {}",
    "request.narrowed": "approved less than was asked for {}",
    "request.nudged": "reminded the approvers of {}",
    "request.refused": "refused {}",
    "request.reopened": "opened the request for {} again",
    "request.reviewed": "reviewed the emergency grant of {}",
    "request.said": "wrote about the request for {}",
    "request.signed": "approved one step of {}",
    "request.withdrawn": "withdrew the request for {}",
    "service_account.added": "added the service account {}",
    "service_account.state_set": "changed whether the service account {} may act",
    "service_credential.created": "made the credential {} of a service",
    "service_credential.revoked": "revoked the credential {} of a service",
    "setup.claimed": "became the first administrator as {}",
    "setup.finished": "finished setting up",
    "setup.key_verified": "saw the first key verified",
    "setup.token_made": "made the code for setting up",
    "signing_key.active": "began to sign with {}",
    "signing_key.next": "made the next signing key {}",
    "signing_key.retired": "retired the signing key {}",
    "signing_key.retiring": "stopped signing with {}",
}
REFUSED: Mapping[str, str] = {
    "key.asked": "asked for {}, which the policy refused",
    "key.rotated": "tried to rotate {}, which the policy refused",
    "person.confirm_refused": "gave a wrong password while confirming to be {}",
    "person.password_refused": "gave a wrong password while choosing a new one as {}",
    "request.approved": "tried to approve {}, which was refused",
    "request.break_glass": "tried to grant {} alone, which was refused",
    "request.claimed": "tried to claim {}, which was refused",
    "request.narrowed": "tried to approve less than was asked for {}, which was refused",
    "request.refused": "tried to refuse {}, which was not theirs to do",
    "request.reviewed": "tried to review the emergency grant of {}, which was refused",
    "request.signed": "tried to approve a step of {}, which was refused",
    "person.sign_in_refused": "tried to sign in as {}, in vain",
}
KINDS: Mapping[str, str] = {
    "audit": "the audit trail",
    "key": "keys",
    "owner": "asking",
    "person": "people",
    "plan_credential": "credentials of pull-request jobs",
    "policy_override": "overrides",
    "policy_revision": "policy",
    "request": "requests",
    "service_account": "service accounts",
    "service_credential": "credentials of services",
    "setup": "set-up",
    "signing_key": "signing keys",
}
_NOBODY = {"anonymous": "Somebody who has not signed in", "clock": "The clock"}
_FROM = {"cli": "{} on the command line", "svc": "Service account {}"}
_TELLING = ("sentence", "note")


@dataclass(frozen=True, slots=True)
class Phrase:
    """What is said around the name of what an event is about; some say everything without it."""

    before: str
    after: str
    names_it: bool


def phrase(action: str, outcome: str) -> Phrase:
    """Return the words for an action; one without words is named as it is."""
    first, second = (DONE, REFUSED) if outcome == "done" else (REFUSED, DONE)
    words = first.get(action) or second.get(action) or f"did “{action}” to {{}}"
    before, gap, after = words.partition("{}")
    return Phrase(before, after, names_it=bool(gap))


def who_words(actor: str, people: Mapping[str, str]) -> str:
    """Name an actor such as `user:ben`, `cli:root` or `clock`."""
    kind, _, name = actor.partition(":")
    if kind == "user":
        return people.get(name, name)
    return _NOBODY.get(actor) or _FROM.get(kind, "{}").format(name or actor)


def reason_of(entry: Entry) -> str:
    """Return why it was done, as far as the event says; an empty text where it does not."""
    detail = entry.detail
    word = detail.get("reason")
    parts = [word.replace("_", " ") if isinstance(word, str) else ""]
    parts += [text for name in _TELLING if isinstance(text := detail.get(name), str)]
    if entry.action.endswith(".state_set"):
        parts.insert(0, f"{detail.get('from')} → {detail.get('to')}")
    return "; ".join(dict.fromkeys(part for part in parts if part))


def object_words(entry: Entry, names: Names) -> str:
    """Name what the event is about: as it was called then, else as it is called today, else by its id."""
    match entry.object_kind:
        case "person":
            return names.people.get(entry.object_id, entry.object_id)
        case "policy_revision":
            return f"revision {entry.object_id}"
        case "policy_override":
            return f"{entry.detail.get('kind', '')} {entry.detail.get('target', entry.object_id)}".strip()
        case "audit":
            return entry.object_id.upper()
        case _:
            name, called = entry.detail.get("name"), names.called(entry.object_id)
            return name if isinstance(name, str) and name else called or entry.object_id


def sentence_of(entry: Entry, names: Names) -> str:
    """Write one event as plain text, such as `Ben Brandt revoked checkout worker: leaked`."""
    said, reason = phrase(entry.action, entry.outcome), reason_of(entry)
    what = object_words(entry, names) if said.names_it else ""
    return f"{who_words(entry.actor, names.people)} {said.before}{what}{said.after}" + (f": {reason}" if reason else "")
