"""Computes what the executable calls of the leaderboard answer; prints exec_expected.json.

Independent of the Rust functions it checks: exact arithmetic (fractions, big integers) and the statistics
module wherever they apply, floats only at the end. Standard library only. Functions that would need
the network are left out: their calls expect null.
"""

import ast
import itertools
import json
import math
import statistics
from fractions import Fraction
from pathlib import Path

FOLDER = Path(__file__).parent


def exact(value):
    """A float as the decimal number it was written as."""
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


def root(value):
    """The square root of an exact number, rounded once."""
    scale = 10**60
    return float(Fraction(math.isqrt(value.numerator * scale * value.denominator), value.denominator)
                 / math.isqrt(scale))


def integer(value):
    return value if abs(value) <= 2**53 else str(value)


def quadratic_roots(a, b, c):
    square = exact(b) ** 2 - 4 * exact(a) * exact(c)
    middle, away = float(Fraction(-b, 2 * a)), root(abs(square)) / (2 * a)
    if square >= 0:
        return [middle + away, middle - away]
    return [{"real": middle, "imaginary": away}, {"real": middle, "imaginary": -away}]


def prime_factors(number):
    sieve = [n for n in range(2, number + 1) if number % n == 0 and all(n % d for d in range(2, n))]
    return sorted(itertools.chain.from_iterable(
        [p] * max(e for e in range(1, 64) if number % p**e == 0) for p in sieve))


def derivative(function, x):
    """By central differences of exact numbers, so close together that nothing is left of the error."""
    run = eval(function, {"__builtins__": {}})  # the expressions of the file beside this one
    h = Fraction(1, 10**15)
    return float((run(Fraction(x) + h) - run(Fraction(x) - h)) / (2 * h))


def cosine(a, b):
    a, b = [exact(v) for v in a], [exact(v) for v in b]
    return float(sum(map(lambda x, y: x * y, a, b))) / (root(sum(v * v for v in a)) * root(sum(v * v for v in b)))


def mortgage(loan_amount, interest_rate, loan_period):
    """What one payment a month must be for the debt to be gone at the end: the sum of discounted payments."""
    discount = 1 / (1 + exact(interest_rate) / 12)
    return float(exact(loan_amount) / sum(discount**month for month in range(1, loan_period * 12 + 1)))


def investment(initial_investment, annual_contribution, years, annual_return, inflation_rate,
               adjust_for_inflation=True):
    value = exact(initial_investment)
    for year in range(years):
        inflation = exact(inflation_rate[min(year, len(inflation_rate) - 1)]) if adjust_for_inflation else 0
        value += value * (exact(annual_return) - inflation) + exact(annual_contribution) * (1 - inflation)
    return float(value)


def nutrition(weight, height, age, gender, activity_level, goal):
    base = {"male": ["88.362", "13.397", "4.799", "5.677"]}.get(gender, ["447.593", "9.247", "3.098", "4.330"])
    base = [Fraction(part) for part in base]
    burnt = base[0] + base[1] * exact(weight) + base[2] * exact(height) - base[3] * exact(age)
    burnt *= Fraction(["1.2", "1.375", "1.55", "1.725", "1.9"][activity_level - 1])
    burnt += {"lose": -500, "maintain": 0, "gain": 500}[goal]
    return {"calories": float(burnt), "proteins_g": float(burnt * 30 / 400), "fats_g": float(burnt * 25 / 900),
            "carbohydrates_g": float(burnt * 45 / 400)}


def most_points(points):
    """The largest subset whose points all lie on the line through its first two."""
    best = min(len(points), 2)
    for (ax, ay), (bx, by) in itertools.combinations(points, 2):
        best = max(best, sum((bx - ax) * (y - ay) == (by - ay) * (x - ax) for x, y in points))
    return best


def shoelace(vertices):
    ring = vertices[1:] + vertices[:1]
    return float(abs(sum(exact(ax) * exact(by) - exact(bx) * exact(ay)
                         for (ax, ay), (bx, by) in zip(vertices, ring))) / 2)


def fibonacci(n):
    numbers = [0, 1]
    while len(numbers) < n:
        numbers.append(sum(numbers[-2:]))
    return numbers[:n]


def regression(x, y, point):
    slope, intercept = statistics.linear_regression([float(v) for v in x], [float(v) for v in y])
    return slope * point + intercept


def product(a, b):
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b)] for row in a]


FUNCTIONS = {
    "add_binary_numbers": lambda a, b: format(int(a, 2) + int(b, 2), "b"),
    "calc_binomial_probability": lambda n, k, p: float(math.comb(n, k) * exact(p)**k * (1 - exact(p))**(n - k)),
    "calculate_cosine_similarity": lambda vectorA, vectorB: cosine(vectorA, vectorB),
    "calculate_density": lambda mass, volume: float(exact(mass) / exact(volume)),
    "calculate_displacement": lambda initial_velocity, acceleration, time:
        float(exact(initial_velocity) * exact(time) + exact(acceleration) * exact(time)**2 / 2),
    "calculate_electrostatic_potential_energy": lambda charge, voltage: float(exact(charge) * exact(voltage)),
    "calculate_final_velocity": lambda initial_velocity, acceleration, time:
        float(exact(initial_velocity) + exact(acceleration) * exact(time)),
    "calculate_future_value": lambda present_value, interest_rate, periods:
        float(exact(present_value) * (1 + exact(interest_rate))**periods),
    "calculate_investment_value": investment,
    "calculate_mean": lambda numbers: float(statistics.mean([exact(n) for n in numbers])),
    "calculate_nutritional_needs": nutrition,
    "calculate_permutations": lambda n, k: integer(math.perm(n, k)),
    "calculate_standard_deviation": lambda numbers: root(statistics.pvariance([exact(n) for n in numbers])),
    "calculate_triangle_area": lambda base, height: float(exact(base) * exact(height) / 2),
    "estimate_derivative": derivative,
    "geometry_area_circle": lambda radius: math.tau * radius**2 / 2,
    "get_distance": lambda pointA, pointB: math.dist(pointA, pointB),
    "get_fibonacci_number": lambda n: integer(fibonacci(n)[-1]),
    "get_fibonacci_sequence": lambda n: [integer(v) for v in fibonacci(n)],
    "get_prime_factors": prime_factors,
    "linear_regression": regression,
    "mat_mul": lambda matA, matB: product(matA, matB),
    "math_factorial": lambda n: integer(math.factorial(n)),
    "math_gcd": math.gcd,
    "math_lcm": math.lcm,
    "maxPoints": most_points,
    "mortgage_calculator": mortgage,
    "order_food": lambda item, quantity, price: float(sum(q * exact(p) for q, p in zip(quantity, price))),
    "polygon_area": shoelace,
    "quadratic_roots": quadratic_roots,
    "sort_array": lambda array, reverse=False: sorted(array, reverse=reverse),
}
POSITIONAL = {"math_gcd", "math_lcm"}


def expected(expression):
    call = ast.parse(expression, mode="eval").body
    function = FUNCTIONS.get(call.func.id)
    if function is None:
        return None
    positional = [ast.literal_eval(argument) for argument in call.args]
    named = {argument.arg: ast.literal_eval(argument.value) for argument in call.keywords}
    if call.func.id in POSITIONAL:
        positional, named = positional + list(named.values()), {}
    try:
        return {"result": function(*positional, **named)}
    except ValueError:  # such as matrices that do not fit each other
        return {"error": "UNDEFINED"}


def main():
    batches = {}
    for name in ("exec_parallel", "exec_parallel_multiple"):
        for line in (FOLDER / f"{name}.answers.jsonl").read_text().splitlines():
            batch = json.loads(line)
            batches[batch["id"]] = [expected(call) for call in batch["ground_truth"]]
    print("{")
    print(",\n".join(f" {json.dumps(name)}: {json.dumps(answers)}" for name, answers in batches.items()))
    print("}")


if __name__ == "__main__":
    main()
