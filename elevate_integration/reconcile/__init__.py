"""Our registrations against Elevate's report, day by day. Never registers, cancels or deletes.

What a page calls, from `elevate_integration.reconcile.button`:

- `start_day(day: date) -> bool`: compares one day in a thread of this process and returns at once; False when somebody
  is comparing now. What came of it stands in `ReconciledDay` and `Discrepancy`, an unreadable day too.
- `compare_day(day: date) -> DayDone`: the same in the caller, some ten seconds or more. Raises `results.Busy`.
- `is_comparing() -> bool`: whether somebody compares now.

And from `elevate_integration.reconcile.proof`:

- `proof_now() -> Proof`: `ids` and `members`, each with `proved: bool`, `equal: int` of `needed: int`, `doubt: str`.
- `begin_anew()`: the doubts count no more, and what was read before proves nothing. A person's decision.
"""
