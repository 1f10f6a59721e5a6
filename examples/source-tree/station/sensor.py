"""Readings as sensors send them."""


def parse(line):
    """One line of the wire: name, value, unit."""
    name, value, unit = line.split()
    # FIXME: a sensor that sends a comma for the decimal point is refused here.
    return name, float(value), unit


def celsius(value, unit):
    """The value in degrees Celsius."""
    if unit == "F":
        return (value - 32) * 5 / 9
    # TODO: Kelvin.
    return value
