"""From a snapshot to the registrations an order should have, without a database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevate_integration.orders.source import Learner, Seat, Snapshot
from elevate_integration.wishes import (
    NO_LEARNER,
    Plan,
    Reading,
    derive,
)


@dataclass(frozen=True)
class Mapping:
    pk: int
    product_key: str
    remote_product_id: str
    sells: bool = True
    not_for_elevate: bool = False


@dataclass(frozen=True)
class Row:
    pk: int
    seat_key: str
    mapping_id: int
    learner_key: str
    remote_user_id: str
    email_key: str
    remote_product_id: str
    touched: bool = True
    seat_active: bool = True
    # Whose it was, once the learner was erased.
    was: str = ""

    @property
    def erased(self) -> bool:
        return bool(self.was)

    def is_of(self, learner_key: str) -> bool:
        return learner_key == self.learner_key or (self.erased and learner_key == self.was)

    def has_email(self, email_key: str) -> bool:
        return email_key == self.email_key


ETHICS = Mapping(1, "course:ETHICS", "ABCD1234")
LAW = Mapping(2, "course:LAW", "LAW5678")
ADA = Learner("M-1", "Ada", "Sample", "ada@example.org")
BEN = Learner("M-2", "Ben", "Sample", "ben@example.org")


def seat(key="line:1", *keys, learner=ADA, active=True, paid="120.00", title="Ethics") -> Seat:
    return Seat(key, keys or ("course:ETHICS",), learner, active, Decimal(paid), title)


def order(*seats: Seat) -> Snapshot:
    return Snapshot("1", None, seats)


def carry_out(plan: Plan, held: list[Row], *, touched=True) -> list[Row]:
    """Write a plan as sync does: new rows appear, read rows follow."""
    readings = {reading.pk: reading for reading in plan.readings}
    rows = []
    for row in held:
        reading = readings[row.pk]
        changed = replace(row, seat_key=reading.seat_key, seat_active=reading.active)
        found = reading.details
        if found is not None and not row.touched:
            changed = replace(
                changed,
                learner_key=found.learner_key,
                remote_user_id=found.remote_user_id,
                email_key=found.email_key,
            )
        rows.append(replace(changed, touched=touched or row.touched))
    for number, wanting in enumerate(plan.new, start=len(held) + 1):
        found = wanting.details
        rows.append(
            Row(
                number,
                wanting.seat_key,
                wanting.mapping_id,
                found.learner_key,
                found.remote_user_id,
                found.email_key,
                wanting.remote_product_id,
                touched=touched,
            )
        )
    return rows


def after(*steps, mappings=(ETHICS, LAW), touched=True) -> tuple[Plan, list[Row]]:
    """Derive and carry out one snapshot after the other; gives the last plan and the rows."""
    rows: list[Row] = []
    plan = Plan((), (), ())
    for snapshot in steps:
        plan = derive(snapshot, mappings, rows)
        rows = carry_out(plan, rows, touched=touched)
    return plan, rows


def active_learners(rows: list[Row]) -> list[str]:
    return [row.learner_key for row in rows if row.seat_active]


# Seats and products.


def test_a_paid_seat_wants_a_registration():
    plan, rows = after(order(seat()))
    (wanting,) = plan.new
    assert (wanting.seat_key, wanting.mapping_id, wanting.remote_product_id) == ("line:1", 1, "ABCD1234")
    assert wanting.details.learner_key == "M-1"
    assert len(rows) == 1


def test_a_seat_that_was_never_paid_wants_nothing():
    plan, _ = after(order(seat(active=False)))
    assert plan == Plan((), (), ())


def test_five_seats_bought_by_one_person_are_five_registrations_for_one_product():
    seats = [seat(f"line:1:{n}", learner=ADA if n == 1 else None) for n in range(1, 6)]
    plan, _ = after(order(*seats))
    assert [w.details.learner_key for w in plan.new] == ["M-1", "", "", "", ""]
    assert [w.details.problems for w in plan.new[1:]] == [(NO_LEARNER,)] * 4


def test_the_most_specific_mapped_key_wins():
    evening = Mapping(3, "variant:EVENING", "EVE0001")
    plan, _ = after(order(seat("line:1", "variant:EVENING", "course:ETHICS")), mappings=(ETHICS, evening))
    assert [w.remote_product_id for w in plan.new] == ["EVE0001"]


def test_a_bundle_is_one_seat_and_several_registrations_with_the_money_on_the_first():
    second = Mapping(3, "course:ETHICS", "WORKBOOK")
    plan, _ = after(order(seat()), mappings=(ETHICS, second))
    assert [(w.remote_product_id, w.details.amount_paid) for w in plan.new] == [
        ("ABCD1234", Decimal("120.00")),
        ("WORKBOOK", Decimal("0.00")),
    ]


def test_the_second_reading_of_a_bundle_leaves_the_money_where_it_was():
    second = Mapping(3, "course:ETHICS", "WORKBOOK")
    plan, _ = after(order(seat()), order(seat()), mappings=(ETHICS, second), touched=False)
    assert [r.details.amount_paid for r in plan.readings] == [Decimal("120.00"), Decimal("0.00")]


def test_one_bad_seat_does_not_keep_the_others():
    plan, _ = after(order(seat("line:1", learner=None), seat("line:2", learner=BEN)))
    assert [w.details.problems for w in plan.new] == [(NO_LEARNER,), ()]


def test_two_seats_of_the_same_learner_and_product_are_two_registrations():
    plan, _ = after(order(seat("line:1"), seat("line:2")))
    assert [w.seat_key for w in plan.new] == ["line:1", "line:2"]


# Mappings.


def test_a_product_without_mapping_is_listed():
    plan, _ = after(order(seat("line:1", "course:BOOK")))
    assert [s.key for s in plan.unmapped] == ["line:1"]
    assert not plan.new


def test_a_product_that_is_not_for_elevate_is_not_listed():
    never = Mapping(3, "course:BOOK", "", sells=False, not_for_elevate=True)
    plan, _ = after(order(seat("line:1", "course:BOOK")), mappings=(never,))
    assert plan == Plan((), (), ())


def test_a_new_sale_of_an_inactive_mapping_is_listed_and_not_registered():
    plan, _ = after(order(seat()), mappings=(replace(ETHICS, sells=False),))
    assert not plan.new
    assert len(plan.unmapped) == 1


@pytest.mark.parametrize(
    "mappings",
    [(), (replace(ETHICS, sells=False),), (replace(ETHICS, product_key="course:OTHER"),)],
    ids=["deleted", "deactivated", "moved to another product"],
)
def test_a_mapping_that_goes_cancels_nothing(mappings):
    _, rows = after(order(seat()))
    plan = derive(order(seat()), mappings, rows)
    assert [(r.active, r.missing) for r in plan.readings] == [(True, False)]
    assert not plan.new


def test_a_mapping_whose_remote_product_id_is_edited_registers_nobody_again():
    _, rows = after(order(seat()))
    plan = derive(order(seat()), (replace(ETHICS, remote_product_id="NEW0001"),), rows)
    assert [r.active for r in plan.readings] == [True]
    assert not plan.new


def test_another_learner_gets_the_product_that_the_mapping_names_now():
    _, rows = after(order(seat()))
    plan = derive(order(seat(learner=BEN)), (replace(ETHICS, remote_product_id="NEW0001"),), rows)
    assert [(w.details.learner_key, w.remote_product_id) for w in plan.new] == [("M-2", "NEW0001")]


def test_a_more_specific_key_that_is_mapped_later_changes_nothing_for_seats_already_sold():
    sold = order(seat("line:1", "variant:EVENING", "course:ETHICS"))
    _, rows = after(sold)
    plan = derive(sold, (ETHICS, Mapping(3, "variant:EVENING", "EVE0001")), rows)
    assert [r.active for r in plan.readings] == [True]
    assert not plan.new


@pytest.mark.parametrize(
    "mappings",
    [
        (ETHICS, Mapping(3, "variant:EVENING", "EVE0001")),
        (replace(ETHICS, sells=False),),
        (),
    ],
    ids=["a more specific key is mapped now", "the mapping is inactive now", "the mapping is gone"],
)
def test_another_learner_gets_the_product_that_the_first_one_had(mappings):
    keys = ("variant:EVENING", "course:ETHICS")
    _, rows = after(order(seat("line:1", *keys)))
    plan = derive(order(seat("line:1", *keys, learner=BEN)), mappings, rows)
    assert [(w.details.learner_key, w.remote_product_id) for w in plan.new] == [("M-2", "ABCD1234")]
    assert [r.active for r in plan.readings] == [False]


def test_a_mapping_added_later_gives_nothing_more_to_seats_already_sold():
    _, rows = after(order(seat()))
    plan = derive(order(seat()), (ETHICS, Mapping(3, "course:ETHICS", "WORKBOOK")), rows)
    assert not plan.new


def test_seats_sold_before_their_product_was_mapped_wait_for_a_decision():
    sold = order(seat("line:1"), seat("line:2"))
    plan = derive(sold, (ETHICS,), (), undecided={"line:1", "line:2"}, released={"line:2"})
    assert [w.seat_key for w in plan.new] == ["line:2"]
    assert not plan.unmapped


# Who sits on the seat.


def test_another_learner_gives_the_first_one_up_and_wants_the_second():
    plan, rows = after(order(seat()), order(seat(learner=BEN)))
    assert [(r.pk, r.active, r.missing) for r in plan.readings] == [(1, False, False)]
    assert active_learners(rows) == ["M-2"]


def test_a_learner_who_comes_back_gets_his_own_row_back():
    plan, rows = after(order(seat()), order(seat(learner=BEN)), order(seat()))
    assert active_learners(rows) == ["M-1"]
    assert len(rows) == 2
    assert not plan.new


def test_another_learner_brings_the_amount_that_the_seat_was_sold_for():
    workbook = Mapping(3, "course:ETHICS", "WORKBOOK")
    plan, _ = after(order(seat()), order(seat(learner=BEN)), mappings=(ETHICS, workbook))
    assert [(w.remote_product_id, w.details.amount_paid) for w in plan.new] == [
        ("ABCD1234", Decimal("120.00")),
        ("WORKBOOK", Decimal("0.00")),
    ]


def test_another_learner_before_anything_was_sent_changes_the_row_in_place():
    plan, rows = after(order(seat()), order(seat(learner=BEN)), touched=False)
    assert active_learners(rows) == ["M-2"]
    assert [r.other_user_id for r in plan.readings] == [""]
    assert len(rows) == 1
    assert not plan.new


def test_a_learner_who_is_named_later_completes_the_row_that_waited():
    plan, rows = after(order(seat(learner=None)), order(seat()), touched=False)
    assert [(r.details.learner_key, r.details.problems) for r in plan.readings] == [("M-1", ())]
    assert len(rows) == 1


def test_the_same_person_under_a_new_id_is_left_to_a_person():
    renamed = replace(ADA, remote_user_id="M-99", email="ADA@example.org")
    plan, _ = after(order(seat()), order(seat(learner=renamed)))
    (reading,) = plan.readings
    assert (reading.active, reading.other_user_id, reading.details) == (True, "M-99", None)
    assert not plan.new


def test_a_learner_who_can_no_longer_be_read_is_no_refund():
    plan, rows = after(order(seat()), order(seat(learner=None)))
    assert active_learners(rows) == ["M-1"]
    assert not plan.new


def test_what_was_sent_stays_as_it_is_while_its_learner_can_no_longer_be_read():
    plan, _ = after(order(seat()), order(seat(learner=None)))
    assert [(r.details, r.other_user_id) for r in plan.readings] == [(None, "")]


def test_what_was_not_sent_waits_for_a_name_once_its_learner_can_no_longer_be_read():
    plan, rows = after(order(seat()), order(seat(learner=None)), touched=False)
    assert [(r.active, r.details.problems, r.other_user_id) for r in plan.readings] == [
        (True, (NO_LEARNER,), "")
    ]
    assert len(rows) == 1


def test_a_learner_who_can_no_longer_be_read_does_not_bring_back_the_one_before():
    _, rows = after(order(seat()), order(seat(learner=BEN)), order(seat(learner=None)))
    assert active_learners(rows) == ["M-2"]


def test_the_same_person_whose_id_is_gone_is_left_to_a_person_under_the_address():
    plan, _ = after(order(seat()), order(seat(learner=replace(ADA, remote_user_id=""))))
    assert [(r.active, r.other_user_id) for r in plan.readings] == [(True, "email:ada@example.org")]
    assert not plan.new


@pytest.mark.parametrize(("told", "other_id"), [("M-0", "M-1"), ("M-1", ""), ("", "")])
def test_a_row_whose_learner_got_another_id_says_so_while_elevate_was_told_the_old_one(told, other_id):
    row = replace(held_by(ADA), remote_user_id=told)
    plan = derive(order(seat()), (ETHICS,), [row])
    assert [(r.active, r.other_user_id) for r in plan.readings] == [(True, other_id)]
    assert not plan.new


def test_somebody_who_left_the_seat_and_comes_back_under_a_new_id_is_registered_under_it():
    renamed = replace(ADA, remote_user_id="M-99")
    plan, rows = after(order(seat()), order(seat(learner=BEN)), order(seat(learner=renamed)))
    assert active_learners(rows) == ["M-99"]
    assert [w.details.remote_user_id for w in plan.new] == ["M-99"]


def test_new_details_of_the_same_learner_follow():
    married = replace(ADA, last_name="Example")
    plan, rows = after(order(seat()), order(seat(learner=married)))
    assert plan.readings[0].details.lastname == "Example"
    assert len(rows) == 1


# Lines that go and come back.


def test_a_refunded_seat_is_inactive_and_not_missing():
    plan, _ = after(order(seat()), order(seat(active=False)))
    assert [(r.active, r.missing) for r in plan.readings] == [(False, False)]


@pytest.mark.parametrize("snapshot", [None, order()], ids=["order gone", "lines gone"])
def test_a_seat_that_is_not_shown_is_missing(snapshot):
    plan, _ = after(order(seat()), snapshot)
    assert plan.readings == (
        Reading(1, "line:1", active=False, missing=True, details=None, other_user_id=""),
    )


def test_lines_written_anew_take_over_their_registrations():
    plan, rows = after(
        order(seat("line:1"), seat("line:2", learner=BEN)),
        order(seat("line:8", learner=BEN), seat("line:9")),
    )
    assert {(row.learner_key, row.seat_key) for row in rows} == {("M-2", "line:8"), ("M-1", "line:9")}
    assert [(r.active, r.missing) for r in plan.readings] == [(True, False)] * 2
    assert not plan.new


def test_two_equal_lines_written_anew_take_over_one_registration_each():
    plan, rows = after(order(seat("line:1"), seat("line:2")), order(seat("line:8"), seat("line:9")))
    assert [row.seat_key for row in rows] == ["line:8", "line:9"]
    assert not plan.new


def test_a_line_written_anew_takes_over_what_one_line_had_and_leaves_the_others_to_the_others():
    evening = Mapping(3, "variant:EVENING", "EVE0001")
    both, course = ("variant:EVENING", "course:ETHICS"), ("course:ETHICS",)
    plan, rows = after(
        order(seat("line:1", *both), seat("line:2", *course)),
        order(seat("line:8", *both), seat("line:9", *course)),
        mappings=(ETHICS, evening),
    )
    assert {(row.remote_product_id, row.seat_key) for row in rows} == {
        ("EVE0001", "line:8"),
        ("ABCD1234", "line:9"),
    }
    assert not plan.new


def test_a_bundle_written_anew_takes_over_all_of_its_registrations():
    workbook = Mapping(3, "course:ETHICS", "WORKBOOK")
    plan, rows = after(order(seat("line:1")), order(seat("line:9")), mappings=(ETHICS, workbook))
    assert [row.seat_key for row in rows] == ["line:9", "line:9"]
    assert not plan.new


@pytest.mark.parametrize(
    "mappings",
    [(replace(ETHICS, sells=False),), (ETHICS, Mapping(3, "variant:EVENING", "EVE0001"))],
    ids=["mapping inactive", "more specific key mapped"],
)
def test_lines_written_anew_after_a_change_of_the_mapping_cancel_nothing(mappings):
    keys = ("variant:EVENING", "course:ETHICS")
    _, rows = after(order(seat("line:1", *keys)))
    plan = derive(order(seat("line:9", *keys)), mappings, rows)
    assert [(r.seat_key, r.active, r.missing) for r in plan.readings] == [("line:9", True, False)]
    assert not plan.new


# Whatever a host says.

learners = st.none() | st.builds(
    Learner,
    st.sampled_from(["", "M-1", "M-2", "M-3"]),
    st.text(max_size=5),
    st.text(max_size=5),
    st.sampled_from(["", "ada@example.org", "ADA@example.org", "ben@example.org"]),
)
seats = st.builds(
    Seat,
    st.sampled_from(["line:1", "line:2", "line:3"]),
    st.sampled_from(
        [("course:ETHICS",), ("variant:X", "course:ETHICS"), ("course:LAW",), ("course:BOOK",), ()]
    ),
    learners,
    st.booleans(),
    st.decimals(allow_nan=True, allow_infinity=True) | st.none() | st.floats() | st.integers(),
    st.text(max_size=5),
)
snapshots = st.none() | st.lists(seats, max_size=3, unique_by=lambda s: s.key).map(lambda s: order(*s))
mapping_sets = st.lists(
    st.sampled_from(
        [
            ETHICS,
            LAW,
            Mapping(3, "course:ETHICS", "WORKBOOK"),
            Mapping(4, "variant:X", "EVE0001", sells=False),
            Mapping(5, "course:BOOK", "", sells=False, not_for_elevate=True),
        ]
    ),
    unique=True,
).map(lambda found: sorted(found, key=lambda mapping: mapping.pk))


@given(st.lists(st.tuples(snapshots, mapping_sets, st.booleans()), min_size=1, max_size=5))
def test_deriving_again_from_what_was_written_wants_nothing_new(steps):
    rows: list[Row] = []
    for snapshot, mappings, touched in steps:
        rows = carry_out(derive(snapshot, mappings, rows), rows, touched=touched)
        again = derive(snapshot, mappings, rows)
        assert not again.new
        assert {(r.pk, r.seat_key, r.active) for r in again.readings} == {
            (row.pk, row.seat_key, row.seat_active) for row in rows
        }


@given(st.lists(st.tuples(snapshots, mapping_sets, st.booleans()), min_size=1, max_size=5))
def test_no_two_rows_are_ever_for_the_same_seat_product_and_learner(steps):
    rows: list[Row] = []
    for snapshot, mappings, touched in steps:
        rows = carry_out(derive(snapshot, mappings, rows), rows, touched=touched)
        keys = [(row.seat_key, row.remote_product_id, row.learner_key) for row in rows]
        assert len(keys) == len(set(keys))


@given(snapshots, mapping_sets, st.lists(snapshots, max_size=3))
def test_every_row_is_read_exactly_once(snapshot, mappings, before):
    rows: list[Row] = []
    for earlier in before:
        rows = carry_out(derive(earlier, (ETHICS, LAW), rows), rows)
    plan = derive(snapshot, mappings, rows)
    assert sorted(r.pk for r in plan.readings) == sorted(row.pk for row in rows)


@given(snapshots, mapping_sets)
def test_every_paid_seat_is_wanted_held_listed_or_not_for_elevate(snapshot, mappings):
    plan = derive(snapshot, mappings, ())
    named = {wanting.seat_key for wanting in plan.new} | {s.key for s in plan.unmapped}
    for one in snapshot.seats if snapshot else ():
        never = any(m.not_for_elevate for m in mappings if m.product_key in one.product_keys)
        assert not one.active or one.key in named or never


@given(st.lists(st.tuples(st.booleans(), learners), min_size=1, max_size=4))
def test_a_paid_seat_always_has_exactly_one_active_row(steps):
    rows: list[Row] = []
    for active, learner in steps:
        rows = carry_out(derive(order(seat(learner=learner, active=active)), (ETHICS,), rows), rows)
        assert sum(row.seat_active for row in rows) == active


# Learners who were erased.


def erased(row: Row) -> Row:
    return replace(row, learner_key="forgotten:1", remote_user_id="", email_key="", was=row.learner_key)


def held_by(learner: Learner) -> Row:
    _, (row,) = after(order(seat(learner=learner)))
    return row


def test_an_erased_learner_is_found_by_the_seat_and_nothing_is_made():
    plan = derive(order(seat()), (ETHICS,), [erased(held_by(ADA))])
    assert plan.new == ()
    ((reading),) = plan.readings
    assert (reading.active, reading.missing, reading.other_user_id) == (True, False, "")


def test_somebody_else_on_the_seat_of_an_erased_learner_is_a_question_for_a_person():
    plan = derive(order(seat(learner=BEN)), (ETHICS,), [erased(held_by(ADA))])
    assert plan.new == ()
    ((reading),) = plan.readings
    assert (reading.active, reading.other_user_id) == (True, "M-2")


def test_somebody_without_an_id_on_the_seat_of_an_erased_learner_is_asked_about_by_the_address():
    plan = derive(order(seat(learner=replace(BEN, remote_user_id=""))), (ETHICS,), [erased(held_by(ADA))])
    assert [reading.other_user_id for reading in plan.readings] == ["email:ben@example.org"]


def test_the_row_that_bears_a_learners_key_goes_before_one_that_was_forgotten():
    row = held_by(ADA)
    plan = derive(order(seat()), (ETHICS,), [erased(row), replace(row, pk=2)])
    assert sorted((reading.pk, reading.active) for reading in plan.readings) == [(1, False), (2, True)]


def test_nobody_is_asked_about_an_erased_learner_of_whom_elevate_never_knew():
    row = replace(erased(held_by(ADA)), touched=False)
    plan = derive(order(seat(learner=BEN)), (ETHICS,), [row])
    assert (plan.new, plan.readings[0].other_user_id) == ((), "")


def test_a_seat_that_was_given_up_before_its_learner_was_erased_is_free_for_another():
    row = replace(erased(held_by(ADA)), seat_active=False)
    plan = derive(order(seat(learner=BEN)), (ETHICS,), [row])
    assert [wanting.details.remote_user_id for wanting in plan.new] == ["M-2"]


def test_an_erased_learner_whose_line_was_written_anew_is_found_too():
    plan = derive(order(seat("line:9")), (ETHICS,), [erased(held_by(ADA))])
    assert plan.new == ()
    assert [(one.seat_key, one.missing) for one in plan.readings] == [("line:9", False)]


def test_a_refund_reaches_the_registration_of_an_erased_learner():
    for learner in (ADA, BEN, None):
        plan = derive(order(seat(learner=learner, active=False)), (ETHICS,), [erased(held_by(ADA))])
        assert [(one.active, one.missing) for one in plan.readings] == [(False, False)]
        assert plan.new == ()
