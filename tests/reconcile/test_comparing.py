"""One day against the report, without a database: each difference, each proof, and each thing that is never said."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from elevate_integration.comparing import LAG, Difference, Evidence
from elevate_integration.lifecycle import AtElevate
from elevate_integration.pairing import NOTHING_PROVED, Stretch
from tests.reconcile.lines import (
    BOTH,
    DAY,
    HOUR,
    IDS,
    LATER,
    NOON,
    call,
    compared,
    doubtful,
    kinds,
    line,
    ours,
)

BEFORE, AFTER = DAY - timedelta(days=1), DAY + timedelta(days=1)


class TestWhatIsEqual:
    def test_a_registration_that_is_here_and_there_is_no_difference(self):
        done = compared(line(), rows=[ours()])
        assert (kinds(done), done.here, done.there, done.others) == ([], 1, 1, 0)

    def test_an_empty_day_is_no_difference(self):
        done = compared()
        assert (kinds(done), done.here, done.there) == ([], 0, 0)

    @pytest.mark.parametrize(
        "told",
        [
            {"email": " Ada@Example.ORG "},
            {"remote_product_id": "abcd1234"},
            {"remote_user_id": ""},
            {"remote_user_id": "another, and nothing is proved"},
            {"report_id": ""},
            {"price": None},
            {"price": Decimal("120")},
            {"price": Decimal("120.001")},
            {"transaction_at": None},
        ],
    )
    def test_spelling_and_gaps_of_the_report_make_no_difference(self, told):
        assert kinds(compared(line(**told), rows=[ours()])) == []

    def test_a_line_fits_a_call_up_to_a_quarter_of_an_hour_beyond_every_zone(self):
        one, second = call(NOON, seconds=60), timedelta(seconds=1)
        earliest = datetime.fromisoformat("2026-03-09 23:45:00")
        latest = datetime.fromisoformat("2026-03-11 02:16:00")
        assert [one.fits(at) for at in (earliest - second, earliest, latest, latest + second)] == [
            False,
            True,
            True,
            False,
        ]
        assert one.days() == {DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)}
        assert call(NOON - HOUR * 2).days() == {DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)}
        assert call(NOON - HOUR * 3).days() == {DAY - timedelta(days=1), DAY}

    @pytest.mark.parametrize("hours", [-12, -8, -1, 0, 1, 5.5, 11, 14])
    def test_any_time_zone_of_the_site_fits(self, hours):
        for at in (NOON, NOON - 11 * HOUR, NOON + 11 * HOUR):
            shown = line(transaction_at=at + timedelta(hours=hours))
            done = compared(shown, rows=[ours(called=call(at))])
            assert kinds(done) == []
            assert done.there == (shown.transaction_at.date() == DAY)

    def test_two_learners_with_one_address_have_a_line_each(self):
        rows = [ours(), ours(user_id="M-2", registration_id="101")]
        assert kinds(compared(line(), line(report_id="101"), rows=rows)) == []

    def test_two_registrations_under_one_id_need_one_line_only(self):
        assert kinds(compared(line(), rows=[ours(), ours()])) == []
        assert kinds(compared(line(), rows=[ours(), ours()], proved=IDS)) == []

    def test_a_line_that_two_days_show_counts_once(self):
        row = ours(called=call(NOON - 6 * HOUR))
        shown = [line(transaction_at=NOON - 13 * HOUR), line(transaction_at=NOON - 6 * HOUR)]
        assert kinds(compared(*shown, rows=[row])) == []

    def test_what_follows_a_line_that_two_days_show_is_read_too(self):
        moved = line(transaction_at=NOON - 13 * HOUR)
        ben = line(report_id="101", email="ben@example.org")
        rows = [
            ours(called=call(NOON - 6 * HOUR)),
            ours(registration_id="101", emails=frozenset({"ben@example.org"})),
        ]
        done = compared(moved, line(), ben, rows=rows)
        assert (kinds(done), done.there) == ([], 1)

    def test_a_line_whose_id_says_nothing_is_told_by_the_person_after_one_that_its_id_tells(self):
        ben = line(report_id="", email="ben@example.org", transaction_at=NOON + HOUR)
        rows = [ours(), ours(registration_id="101", emails=frozenset({"ben@example.org"}))]
        assert kinds(compared(line(), ben, rows=rows, proved=IDS)) == []

    def test_two_registrations_without_an_id_need_a_line_each(self):
        rows = [ours(registration_id=""), ours(registration_id="")]
        assert kinds(compared(line(report_id=""), rows=rows)) == ["only_here"]

    def test_a_cancelled_registration_explains_a_line_that_the_report_goes_on_showing(self):
        gone = ours(at_elevate=AtElevate.ABSENT)
        assert kinds(compared(line(), rows=[gone])) == []
        assert kinds(compared(line(), rows=[gone], proved=IDS)) == []

    def test_a_seat_registered_anew_explains_the_line_of_its_cancelled_registration_too(self):
        row = ours(registration_id="105", other_ids=frozenset({"100"}))
        lines = [line(), line(report_id="105", transaction_at=NOON + HOUR)]
        assert kinds(compared(*lines, rows=[row])) == []
        assert kinds(compared(*lines, rows=[row], proved=IDS)) == []

    def test_an_imported_registration_explains_a_line_of_any_time(self):
        assert kinds(compared(line(), rows=[ours(called=None, is_answered=False)])) == []

    def test_an_open_call_explains_a_line(self):
        row = doubtful(in_flight=True, lost=())
        done = compared(line(), rows=[row])
        assert (kinds(done), done.unjudged) == ([], {row.pk})

    def test_a_line_beyond_what_an_open_call_explains_is_not_judged_yet(self):
        lines = [line(), line(report_id="101", transaction_at=NOON + HOUR)]
        assert kinds(compared(*lines, rows=[doubtful(in_flight=True, lost=())])) == []

    def test_a_registration_that_is_being_cancelled_is_not_called_missing(self):
        for fact in (AtElevate.LEAVING, AtElevate.ABSENT):
            assert kinds(compared(rows=[ours(at_elevate=fact)])) == []


class TestOnlyHere:
    def test_what_no_line_shows_is_here_and_not_there(self):
        row = ours()
        done = compared(rows=[row])
        assert done.differences == [Difference("only_here", row.pk)]

    def test_the_line_of_another_product_or_learner_does_not_stand_for_it(self):
        others = [line(remote_product_id="LAW5678"), line(report_id="9", email="ben@example.org")]
        assert "only_here" in kinds(compared(*others, rows=[ours()]))

    def test_an_id_that_is_not_proved_does_not_stand_for_it(self):
        assert "only_here" in kinds(compared(line(email="old@example.org"), rows=[ours()]))

    def test_a_proved_id_stands_for_it_whatever_else_is_told(self):
        moved = line(email="new@example.org", remote_user_id="M-9", transaction_at=NOON - timedelta(hours=20))
        assert kinds(compared(moved, rows=[ours()], proved=IDS)) == []

    def test_a_proved_user_id_stands_for_it_under_another_address(self):
        told = line(email="new@example.org", report_id="")
        assert kinds(compared(told, rows=[ours()], proved=BOTH)) == []
        assert "only_here" in kinds(compared(told, rows=[ours()], proved=IDS))

    def test_a_proved_user_id_goes_before_the_address(self):
        told = line(remote_user_id="M-2", report_id="")
        assert "only_here" in kinds(compared(told, rows=[ours()], proved=BOTH))

    def test_a_line_of_quite_another_time_does_not_stand_for_it(self):
        far = line(transaction_at=NOON + timedelta(hours=15))
        assert "only_here" in kinds(compared(far, rows=[ours()]))

    @pytest.mark.parametrize("days", [{DAY}, {DAY, BEFORE}, {DAY, AFTER}])
    def test_without_the_days_beside_it_nothing_is_missing(self, days):
        row = ours()
        done = compared(rows=[row], days=days)
        assert (kinds(done), done.whole, done.unjudged) == ([], False, {row.pk})

    def test_it_is_missing_on_its_own_day_alone(self):
        assert kinds(compared(rows=[ours(called=call(NOON + timedelta(days=1)))])) == []
        assert kinds(compared(rows=[ours(called=call(NOON - timedelta(days=1)))])) == []

    def test_what_happened_just_before_the_report_was_read_is_not_missing_yet(self):
        row = ours()
        done = compared(rows=[row], read_at=row.called.until + LAG - timedelta(seconds=1))
        assert (kinds(done), done.unjudged) == ([], {row.pk})
        assert kinds(compared(rows=[row], read_at=row.called.until + LAG)) == ["only_here"]

    def test_an_open_cancel_is_waited_for(self):
        row = ours(in_flight=True)
        done = compared(rows=[row])
        assert (kinds(done), done.unjudged) == ([], {row.pk})

    def test_without_a_known_time_it_is_never_missing(self):
        assert kinds(compared(rows=[ours(called=None)])) == []

    def test_what_could_not_be_recognised_is_not_missing(self):
        erased = ours(emails=frozenset(), user_id="")
        assert kinds(compared(rows=[erased])) == []
        assert kinds(compared(rows=[ours(emails=frozenset())])) == []
        assert kinds(compared(rows=[erased], proved=IDS)) == ["only_here"]
        assert kinds(compared(rows=[ours(emails=frozenset(), registration_id="")], proved=BOTH)) == [
            "only_here"
        ]


class TestOnlyThere:
    def test_a_line_of_nobody_here_is_there_and_not_here(self):
        told = line()
        done = compared(told)
        assert done.differences == [Difference("only_there", line=told)]

    def test_a_line_of_a_product_that_is_not_ours_is_only_counted(self):
        for product in ("OTHER", ""):
            done = compared(line(remote_product_id=product))
            assert (kinds(done), done.others, done.there) == ([], 1, 1)
        done = compared(line(remote_product_id="OTHER"), line(report_id="", remote_product_id="OTHER"))
        assert (kinds(done), done.others, done.there) == ([], 2, 2)

    def test_lines_of_the_days_beside_are_theirs_to_tell(self):
        done = compared(
            line(transaction_at=NOON - timedelta(days=1)),
            line(report_id="2", transaction_at=NOON + timedelta(days=1)),
        )
        assert (kinds(done), done.there) == ([], 0)

    def test_a_registration_that_elevate_never_confirmed_is_shown_beside_the_line(self):
        for fact in ({}, {"in_flight": False}):
            refused = ours(
                at_elevate=AtElevate.ABSENT, was_there=False, registration_id="", called=None, **fact
            )
            done = compared(line(), rows=[refused])
            assert [(one.kind, one.pk) for one in done.differences] == [("only_there", refused.pk)]

    def test_a_proved_id_that_is_not_the_cancelled_one_is_there_and_not_here(self):
        gone = ours(at_elevate=AtElevate.ABSENT)
        done = compared(line(report_id="777"), rows=[gone], proved=IDS)
        assert [(one.kind, one.pk) for one in done.differences] == [("only_there", gone.pk)]

    def test_lines_without_an_id_that_say_the_same_are_told_apart(self):
        done = compared(line(report_id=""), line(report_id=""), line(report_id="", email="b@example.org"))
        assert [one.nth for one in done.differences] == [0, 1, 0]


class TestTwice:
    def test_one_registration_with_two_lines_is_there_twice(self):
        second = line(report_id="101", transaction_at=NOON + HOUR)
        row = ours()
        done = compared(line(), second, rows=[row])
        (one,) = done.differences
        assert (one.kind, one.pk, one.line) == ("twice", row.pk, second)
        assert (one.count_here, one.count_there) == (1, 2)

    def test_with_proved_ids_the_line_with_another_id_is_the_second_one(self):
        earlier = line(report_id="99", transaction_at=NOON - HOUR)
        (one,) = compared(earlier, line(), rows=[ours()], proved=IDS).differences
        assert (one.kind, one.line) == ("twice", earlier)

    def test_a_duplicate_that_is_known_here_is_there_twice_even_where_its_line_names_nobody(self):
        row = ours(duplicates=frozenset({"101"}))
        second = line(report_id="101", email="", transaction_at=NOON + HOUR)
        (one,) = compared(line(), second, rows=[row], proved=IDS).differences
        assert one == Difference("twice", row.pk, second, count_here=1, count_there=2)

    def test_a_duplicate_that_was_cancelled_here_is_not(self):
        row = ours(other_ids=frozenset({"101"}))
        cancelled = ours(registration_id="101", at_elevate=AtElevate.ABSENT, emails=frozenset())
        second = line(report_id="101", transaction_at=NOON + HOUR)
        assert kinds(compared(line(), second, rows=[row, cancelled], proved=IDS)) == []

    def test_a_second_one_of_another_day_is_told_on_its_own_day(self):
        row = ours(called=call(NOON - timedelta(days=40)))
        (one,) = compared(line(report_id="900"), rows=[row], proved=IDS).differences
        assert (one.kind, one.pk) == ("twice", row.pk)
        (one,) = compared(line(report_id="900"), rows=[row]).differences
        assert (one.kind, one.pk) == ("twice", row.pk)

    def test_what_is_there_for_certain_is_told_to_be_there_twice_and_not_what_may_be(self):
        rows = [doubtful(), ours()]
        third = line(report_id="102", transaction_at=NOON + 2 * HOUR)
        lines = [line(), line(report_id="101", transaction_at=NOON + HOUR), third]
        (one,) = [one for one in compared(*lines, rows=rows).differences if one.kind == "twice"]
        assert one == Difference("twice", rows[1].pk, third, count_here=2, count_there=3)

    @pytest.mark.parametrize(
        ("other", "proved", "count_there"),
        [
            ({"remote_user_id": "M-2"}, NOTHING_PROVED, 3),
            ({"remote_user_id": "M-2"}, IDS, 3),
            ({"remote_user_id": "M-2"}, BOTH, 2),
            ({"remote_user_id": ""}, BOTH, 3),
            ({"email": "ben@example.org"}, NOTHING_PROVED, 2),
            ({"email": ""}, NOTHING_PROVED, 2),
            ({"email": "ben@example.org"}, BOTH, 3),
        ],
    )
    def test_lines_are_counted_together_by_what_is_proved_to_say_who_it_is(self, other, proved, count_there):
        third = line(report_id="102", transaction_at=NOON + 2 * HOUR, **other)
        second = line(report_id="101", transaction_at=NOON + HOUR)
        done = compared(line(), second, third, rows=[ours()], proved=proved)
        (one,) = [one for one in done.differences if one.kind == "twice"]
        assert (one.line, one.count_here, one.count_there) == (second, 1, count_there)

    def test_three_lines_are_told_once_with_their_number(self):
        lines = [line(report_id=str(n), transaction_at=NOON + n * timedelta(minutes=1)) for n in range(3)]
        (one,) = compared(*lines, rows=[ours(registration_id="0")]).differences
        assert (one.kind, one.count_here, one.count_there) == ("twice", 1, 3)

    def test_a_seat_registered_anew_explains_no_line_beyond_those_of_its_ids(self):
        row = ours(registration_id="105", other_ids=frozenset({"100"}))
        lines = [line(report_id=str(n), transaction_at=NOON + n * timedelta(minutes=1)) for n in range(3)]
        assert compared(*lines, rows=[row]).differences == [
            Difference("twice", row.pk, lines[2], count_here=1, count_there=3)
        ]

    def test_what_was_cancelled_does_not_count_as_there(self):
        gone = ours(at_elevate=AtElevate.ABSENT, registration_id="98")
        lines = [line(report_id="98"), line(), line(report_id="101")]
        (one,) = compared(*lines, rows=[gone, ours()], proved=IDS).differences
        assert (one.kind, one.count_here, one.count_there) == ("twice", 1, 2)

    def test_a_duplicate_that_is_another_registration_here_is_not(self):
        rows = [ours(duplicates=frozenset({"101"})), ours(registration_id="101")]
        assert kinds(compared(line(), line(report_id="101"), rows=rows, proved=IDS)) == []

    def test_proved_user_ids_tell_learners_with_one_address_apart(self):
        second = line(report_id="101", transaction_at=NOON + HOUR)
        other = line(report_id="102", remote_user_id="M-2")
        rows = [ours(), ours(user_id="M-2", registration_id="102")]
        (one,) = compared(line(), second, other, rows=rows, proved=BOTH).differences
        assert (one.kind, one.pk, one.count_here, one.count_there) == ("twice", rows[0].pk, 1, 2)

    def test_two_paid_orders_of_one_learner_are_not(self):
        rows = [ours(), ours(registration_id="101")]
        assert kinds(compared(line(), line(report_id="101"), rows=rows)) == []


class TestAmounts:
    def test_another_price_is_a_difference(self):
        row = ours()
        told = line(price=Decimal("99.00"))
        assert compared(told, rows=[row]).differences == [
            Difference("amount", row.pk, told, amount_here=Decimal("120.00"), amount_there=Decimal("99.00"))
        ]

    def test_a_line_beyond_the_one_of_an_open_cancel_has_no_amount_to_compare(self):
        second = line(report_id="101", transaction_at=NOON + HOUR, price=Decimal("99.00"))
        assert kinds(compared(line(), second, rows=[ours(in_flight=True)])) == []

    def test_without_a_known_amount_nothing_is_said(self):
        assert kinds(compared(line(price=Decimal("99.00")), rows=[ours(amount=None)])) == []

    def test_a_cancelled_registration_has_no_amount_to_compare(self):
        gone = ours(at_elevate=AtElevate.ABSENT)
        assert kinds(compared(line(price=Decimal("0.00")), rows=[gone])) == []


class TestLostAnswers:
    def test_one_that_is_there_is_settled_once_the_ids_are_proved(self):
        row, told = doubtful(), line()
        done = compared(told, rows=[row], proved=IDS)
        (found,) = done.found
        assert (found.pk, found.registration_id, found.duplicates, found.line) == (row.pk, "100", (), told)
        assert kinds(done) == []

    def test_before_that_it_is_only_told(self):
        row, told = doubtful(), line()
        done = compared(told, rows=[row])
        assert not done.found
        assert [(one.kind, one.pk, one.line) for one in done.differences] == [("found", row.pk, told)]

    def test_a_cancelled_registration_of_the_same_learner_leaves_no_doubt_whose_line_it_is(self):
        gone = ours(at_elevate=AtElevate.ABSENT, registration_id="98")
        row = doubtful()
        (found,) = compared(line(), rows=[gone, row], proved=IDS).found
        assert (found.pk, found.registration_id) == (row.pk, "100")

    def test_a_registration_that_is_being_cancelled_takes_its_line_before_what_may_be_there(self):
        row = doubtful()
        done = compared(line(), rows=[row, ours(in_flight=True)])
        assert done.differences == [Difference("not_found", row.pk)]

    def test_what_may_be_there_takes_the_line_before_what_was_cancelled(self):
        gone, row = ours(at_elevate=AtElevate.ABSENT), doubtful()
        assert gone.pk < row.pk
        told = line()
        assert compared(told, rows=[gone, row]).differences == [Difference("found", row.pk, told)]

    def test_each_is_counted_on_the_day_of_its_last_call(self):
        rows = [doubtful(), doubtful(emails=frozenset({"ben@example.org"})), ours()]
        assert compared(rows=rows).here == 3

    def test_one_that_two_ids_name_is_told_once(self):
        row = doubtful(other_ids=frozenset({"100"}), duplicates=frozenset({"101"}))
        told, second = line(), line(report_id="101", transaction_at=NOON + HOUR)
        done = compared(told, second, rows=[row], proved=IDS)
        assert (done.found, done.differences) == ([], [Difference("found", row.pk, told)])

    def test_a_second_line_that_none_of_its_calls_can_have_left_leaves_the_doubt(self):
        row = doubtful(lost=(call(), call(NOON + HOUR)))
        far = line(report_id="101", transaction_at=NOON + 20 * HOUR)
        done = compared(line(), far, rows=[row], proved=IDS)
        assert (done.found, kinds(done)) == ([], ["found"])

    def test_both_of_its_calls_may_have_left_one(self):
        row = doubtful(lost=(call(), call(NOON + HOUR)))
        second = line(report_id="101", transaction_at=NOON + HOUR)
        done = compared(line(), second, rows=[row], proved=IDS)
        (found,) = done.found
        assert (found.registration_id, found.duplicates) == ("101", ("100",))
        assert kinds(done) == ["twice"]

    @pytest.mark.parametrize(
        ("lines", "rows"),
        [
            ([line(report_id="")], [doubtful()]),
            ([line(transaction_at=None)], [doubtful()]),
            ([line()], [doubtful(lost=())]),
            ([line()], [doubtful(), doubtful()]),
            ([line()], [doubtful(), doubtful(in_flight=True)]),
            ([line(), line(report_id="101")], [doubtful()]),
        ],
        ids=[
            "no ID",
            "no time",
            "its calls were pruned",
            "two in doubt",
            "a call is open",
            "more than its calls",
        ],
    )
    def test_what_could_mean_something_else_is_only_told(self, lines, rows):
        done = compared(*lines, rows=rows, proved=IDS)
        assert not done.found
        assert kinds(done).count("found") == 1

    def test_a_line_that_another_registration_explains_is_not_it(self):
        row = doubtful()
        done = compared(line(), rows=[ours(), row], proved=IDS)
        assert not done.found
        assert [(one.kind, one.pk) for one in done.differences] == [("not_found", row.pk)]

    def test_what_is_there_for_certain_takes_the_line_first(self):
        row = doubtful()
        done = compared(line(), rows=[row, ours()])
        assert [(one.kind, one.pk) for one in done.differences] == [("not_found", row.pk)]

    def test_a_line_of_another_time_is_not_it(self):
        far = line(transaction_at=NOON + timedelta(hours=15))
        done = compared(far, rows=[doubtful()], proved=IDS)
        assert not done.found
        assert kinds(done) == ["not_found"]

    def test_an_open_call_is_neither_found_nor_missing(self):
        for lines in ([], [line()]):
            done = compared(*lines, rows=[doubtful(in_flight=True)], proved=IDS)
            assert (done.found, kinds(done)) == ([], [])

    def test_one_on_the_day_beside_is_told_there(self):
        done = compared(line(transaction_at=NOON + timedelta(hours=13)), rows=[doubtful()], proved=IDS)
        assert (done.found, kinds(done)) == ([], [])

    def test_one_that_is_not_there_is_told(self):
        row = doubtful()
        assert [(one.kind, one.pk) for one in compared(rows=[row]).differences] == [("not_found", row.pk)]

    @pytest.mark.parametrize("days", [{DAY}, {DAY, BEFORE}, {DAY, AFTER}])
    def test_without_the_days_beside_it_nothing_is_said(self, days):
        row = doubtful()
        done = compared(rows=[row], days=days)
        assert (kinds(done), done.unjudged) == ([], {row.pk})

    def test_without_a_known_call_nothing_is_said(self):
        assert kinds(compared(rows=[doubtful(lost=())])) == []

    def test_a_call_just_before_the_report_is_not_missing_yet(self):
        assert kinds(compared(rows=[doubtful()], read_at=NOON + LAG)) == []

    def test_two_calls_on_two_days_are_judged_on_the_last_one(self):
        row = doubtful(lost=(call(NOON - 20 * HOUR), call()))
        assert kinds(compared(rows=[row])) == ["not_found"]
        for other in (call(NOON - 20 * HOUR), call(NOON + 13 * HOUR)):
            assert kinds(compared(rows=[doubtful(lost=(other,))])) == []

    def test_every_day_of_its_calls_must_have_been_read(self):
        row = doubtful(lost=(call(NOON - timedelta(days=4) + HOUR), call()))
        assert kinds(compared(rows=[row])) == []
        days = {DAY - timedelta(days=n) for n in (3, 4)}
        assert kinds(compared(rows=[row], covered=days)) == ["not_found"]
        assert kinds(compared(rows=[row], covered=days - {DAY - timedelta(days=4)})) == []

    def test_a_worker_that_was_lost_for_days_leaves_a_long_doubt(self):
        row = doubtful(lost=(Stretch(NOON - timedelta(days=3) + HOUR, NOON),))
        assert kinds(compared(rows=[row])) == []
        assert kinds(compared(rows=[row], covered={DAY - timedelta(days=n) for n in (2, 3)})) == ["not_found"]
        assert compared(line(transaction_at=NOON - timedelta(hours=3)), rows=[row], proved=IDS).found


class TestEvidence:
    def test_an_answered_id_that_is_the_same_counts(self):
        for proved in (IDS, BOTH):
            assert compared(line(), rows=[ours()], proved=proved).evidence == Evidence(1, 0, 1, 0)
        assert compared(line(), rows=[ours()]).evidence == Evidence(1, 0, 1, 0)

    def test_another_id_counts_against_it(self):
        evidence = compared(line(report_id="7"), rows=[ours()]).evidence
        assert (evidence.ids_equal, evidence.ids_differ, evidence.ids_example) == (0, 1, ("7", "100"))
        lines = [line(report_id="7"), line(report_id="8", remote_product_id="LAW5678")]
        rows = [ours(), ours(registration_id="101", remote_product_id="LAW5678")]
        evidence = compared(*lines, rows=rows).evidence
        assert (evidence.ids_equal, evidence.ids_differ, evidence.ids_example) == (0, 2, ("7", "100"))

    def test_not_if_the_answered_id_stands_elsewhere_in_the_report(self):
        moved = line(email="new@example.org", report_id="100")
        evidence = compared(moved, line(report_id="7"), rows=[ours()]).evidence
        assert (evidence.ids_equal, evidence.ids_differ) == (0, 0)

    def test_another_user_id_counts_against_that(self):
        row = ours()
        evidence = compared(line(remote_user_id="77"), rows=[row]).evidence
        assert (evidence.members_equal, evidence.members_differ, evidence.members_pk) == (0, 1, row.pk)

    @pytest.mark.parametrize("gap", ["report", "ours"])
    def test_a_user_id_that_is_missing_counts_neither_way(self, gap):
        told = line(remote_user_id="" if gap == "report" else "M-1")
        row = ours(user_id="" if gap == "ours" else "M-1")
        evidence = compared(told, rows=[row]).evidence
        assert (evidence.members_equal, evidence.members_differ) == (0, 0)

    def test_each_learner_counts_for_or_against_whoever_else_proves_nothing(self):
        people = ["twice", "nobody", "ben", "eve", "dan", "fay"]
        emails = {person: f"{person}@example.org" for person in people}
        rows = [
            ours(user_id=f"U-{person}", registration_id=person, emails=frozenset({email}))
            for person, email in emails.items()
        ]
        shown = {person: f"U-{person}" for person in people} | {"nobody": "", "dan": "77", "fay": "78"}
        lines = [
            line(report_id=person, remote_user_id=shown[person], email=email)
            for person, email in emails.items()
        ]
        again = line(report_id="again", remote_user_id="U-twice", email=emails["twice"])
        evidence = compared(lines[0], again, *lines[1:], rows=rows).evidence
        assert evidence == Evidence(
            ids_equal=5, members_equal=2, members_differ=2, members_pk=rows[people.index("dan")].pk
        )

    def test_one_learner_with_many_courses_is_one_learner(self):
        lines = [line(report_id=str(n), remote_product_id=f"P{n}") for n in range(3)]
        rows = [ours(registration_id=str(n), remote_product_id=f"P{n}") for n in range(3)]
        evidence = compared(*lines, rows=rows).evidence
        assert (evidence.ids_equal, evidence.members_equal) == (3, 1)

    @pytest.mark.parametrize(
        ("lines", "rows"),
        [
            ([line()], [ours(is_answered=False)]),
            ([line(report_id="")], [ours(user_id="")]),
            ([line(transaction_at=NOON + timedelta(days=1))], [ours(called=call(NOON + timedelta(days=1)))]),
            ([line(), line(report_id="101")], [ours()]),
            ([line()], [ours(), ours(registration_id="101")]),
            ([line()], [ours(), doubtful()]),
            ([line()], [ours(called=None)]),
            ([line()], [ours(called=call(NOON - timedelta(days=2)))]),
            ([line()], [ours(in_flight=True)]),
            ([line()], [ours(at_elevate=AtElevate.ABSENT)]),
            ([line()], [ours(duplicates=frozenset({"101"}))]),
            ([line()], [ours(other_ids=frozenset({"101"}))]),
            ([line()], [ours(emails=frozenset())]),
        ],
        ids=[
            "typed or from a report", "no IDs", "another day", "two lines", "two registrations", "one in doubt",
            "time not known", "another time", "call open", "cancelled", "duplicates", "registered anew", "erased",
        ],
    )  # fmt: skip
    def test_what_is_not_plain_proves_nothing(self, lines, rows):
        evidence = compared(*lines, rows=rows, proved=IDS).evidence
        assert (evidence.ids_equal, evidence.ids_differ) == (0, 0)


def test_a_long_day_is_compared_whole():
    lines = [line(report_id=str(n), email=f"p{n}@example.org") for n in range(3000)]
    rows = [ours(registration_id=str(n), emails=frozenset({f"p{n}@example.org"})) for n in range(1, 3001)]
    done = compared(*lines, rows=rows, proved=IDS)
    assert sorted(kinds(done)) == ["only_here", "only_there"]
    assert done.evidence.ids_equal == 2999


def test_what_was_read_later_changes_nothing_that_is_equal():
    assert kinds(compared(line(), rows=[ours()], read_at=LATER + timedelta(days=400))) == []
