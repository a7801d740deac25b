from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from autoscout.api.quantity import Duration, NonNegative, Positive, Quantity


@pytest.mark.parametrize(
    ("spelling", "number"), [(40, 40.0), ("0.5", 0.5), ("-3", -3.0), ("1.5e-3", 0.0015), ("1E2", 100.0), (0, 0.0)]
)
def test_a_quantity_is_an_integer_or_a_decimal_in_a_string_and_stays_as_it_was_written(spelling, number):
    quantity = TypeAdapter(Quantity).validate_python(spelling)
    assert quantity.number == number
    assert TypeAdapter(Quantity).dump_python(quantity, mode="json") == spelling


@pytest.mark.parametrize(
    "wrong", [0.5, True, None, "", "5Gi", "1,5", " 5", "5\n", "\u0665", "inf", "nan", "0x1f", "1e999", 10**16, [5]]
)
def test_what_is_no_quantity_is_refused(wrong):
    with pytest.raises(ValidationError):
        TypeAdapter(Quantity).validate_python(wrong)


def test_a_float_is_refused_with_the_spelling_that_works():
    with pytest.raises(ValidationError, match=r'write the number in quotes: "7\.5"'):
        TypeAdapter(Quantity).validate_python(7.5)


@pytest.mark.parametrize("value", [-1, "-0.5"])
def test_bounds_of_quantities(value):
    with pytest.raises(ValidationError, match="must not be negative"):
        TypeAdapter(NonNegative).validate_python(value)
    with pytest.raises(ValidationError, match="must be greater than 0"):
        TypeAdapter(Positive).validate_python(value)
    assert TypeAdapter(NonNegative).validate_python(0).number == 0
    with pytest.raises(ValidationError, match="must be greater than 0"):
        TypeAdapter(Positive).validate_python("0.0")


@pytest.mark.parametrize(
    ("spelling", "seconds"),
    [("90s", 90), ("15m", 900), ("2h30m", 9000), ("1h1m1s", 3661), ("0h5s", 5), ("300m", 18000)],
)
def test_a_duration_is_hours_minutes_seconds(spelling, seconds):
    duration = TypeAdapter(Duration).validate_python(spelling)
    assert duration.seconds == seconds
    assert TypeAdapter(Duration).dump_python(duration, mode="json") == spelling


@pytest.mark.parametrize(
    "wrong", ["", "90", "0s", "0h0m", "1d", "30m2h", "-5m", "1.5h", "5 m", "5M", 90, None, "\u0665s"]
)
def test_what_is_no_duration_is_refused(wrong):
    with pytest.raises(ValidationError, match="90s, 15m or 2h30m"):
        TypeAdapter(Duration).validate_python(wrong)
