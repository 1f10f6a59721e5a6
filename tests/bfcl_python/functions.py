"""The leaderboard's executable functions that are pure computation, as tools of a Python worker.

In floats and loops, as one writes them: what they should answer is computed otherwise, by
tests/data/bfcl/compute_expected.py. Run as a program, it serves them to the coordinator that TOOLWAVE_COORDINATOR
names.
"""

import ast
import collections
import math
import os
from typing import Literal

import toolwave
from toolwave import ToolError, tool

Vector = list[float]
Matrix = list[list[float]]
Point = list[float]


def undefined(message):
    return ToolError("UNDEFINED", message)


@tool(read_only=True)
def add_binary_numbers(a: str, b: str) -> str:
    """Adds two binary numbers.

    Args:
        a: The first, of digits 0 and 1.
        b: The second.
    """
    digits, carry = [], 0
    width = max(len(a), len(b))
    for one, other in zip(reversed(a.zfill(width)), reversed(b.zfill(width)), strict=True):
        carry += (one == "1") + (other == "1")
        digits.append(str(carry % 2))
        carry //= 2
    return "".join(reversed([*digits, *(["1"] if carry else [])])).lstrip("0") or "0"


@tool(read_only=True)
def calc_binomial_probability(n: int, k: int, p: float) -> float:
    """The probability of k successes in n trials that each succeed with probability p."""
    return math.exp(
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        + k * math.log(p) + (n - k) * math.log1p(-p)
    )


@tool(read_only=True)
def calculate_cosine_similarity(vectorA: Vector, vectorB: Vector) -> float:
    """The cosine of the angle between two vectors."""
    if len(vectorA) != len(vectorB):
        raise undefined(f"vectors of {len(vectorA)} and {len(vectorB)} numbers")
    return sum(a * b for a, b in zip(vectorA, vectorB, strict=True)) / (math.hypot(*vectorA) * math.hypot(*vectorB))


@tool(read_only=True)
def calculate_density(mass: float, volume: float) -> float:
    """Mass divided by volume."""
    return mass / volume


@tool(read_only=True)
def calculate_displacement(initial_velocity: float, acceleration: float, time: float) -> float:
    """The way that a body has gone under constant acceleration."""
    return (initial_velocity + acceleration * time / 2) * time


@tool(read_only=True)
def calculate_electrostatic_potential_energy(charge: float, voltage: float) -> float:
    """The energy of a charge at a voltage."""
    return charge * voltage


@tool(read_only=True)
def calculate_final_velocity(initial_velocity: float, acceleration: float, time: float) -> float:
    """The velocity after constant acceleration."""
    return initial_velocity + acceleration * time


@tool(read_only=True)
def calculate_future_value(present_value: float, interest_rate: float, periods: int) -> float:
    """What an investment is worth after so many periods of compound interest."""
    for _ in range(periods):
        present_value *= 1 + interest_rate
    return present_value


@tool(read_only=True)
def calculate_investment_value(
    initial_investment: float,
    annual_contribution: float,
    years: int,
    annual_return: float,
    inflation_rate: Vector,
    adjust_for_inflation: bool = True,
) -> float:
    """What an investment with a contribution each year comes to."""
    rates = (inflation_rate + [inflation_rate[-1]] * years)[:years] if adjust_for_inflation else [0.0] * years
    value = initial_investment
    for inflation in rates:
        value = value * (1 + annual_return - inflation) + annual_contribution * (1 - inflation)
    return value


@tool(read_only=True)
def calculate_mean(numbers: Vector) -> float:
    """The mean of numbers."""
    return math.fsum(numbers) / len(numbers)


@tool(read_only=True)
def calculate_nutritional_needs(
    weight: float,
    height: float,
    age: float,
    gender: Literal["male", "female", "other"],
    activity_level: Literal[1, 2, 3, 4, 5],
    goal: Literal["lose", "gain", "maintain"],
) -> dict[str, float]:
    """What a person should eat in a day, by the equations of Harris and Benedict."""
    if gender == "male":
        burnt = 88.362 + 13.397 * weight + 4.799 * height - 5.677 * age
    else:
        burnt = 447.593 + 9.247 * weight + 3.098 * height - 4.330 * age
    burnt *= {1: 1.2, 2: 1.375, 3: 1.55, 4: 1.725, 5: 1.9}[activity_level]
    burnt += {"lose": -500, "maintain": 0, "gain": 500}[goal]
    return {
        "calories": burnt,
        "proteins_g": burnt * 0.3 / 4,
        "fats_g": burnt * 0.25 / 9,
        "carbohydrates_g": burnt * 0.45 / 4,
    }


@tool(read_only=True)
def calculate_permutations(n: int, k: int) -> int:
    """In how many orders k of n things can be chosen."""
    if k > n:
        raise undefined("k is larger than n")
    return math.prod(range(n - k + 1, n + 1))


@tool(read_only=True)
def calculate_standard_deviation(numbers: Vector) -> float:
    """The standard deviation of a whole population."""
    mean = math.fsum(numbers) / len(numbers)
    return math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / len(numbers))


@tool(read_only=True)
def calculate_triangle_area(base: float, height: float) -> float:
    """Half of base times height."""
    return base * height / 2


class Dual:
    """A number and how it changes with x."""

    def __init__(self, value, slope=0.0):
        self.value, self.slope = value, slope

    def __add__(self, other):
        return Dual(self.value + other.value, self.slope + other.slope)

    def __sub__(self, other):
        return Dual(self.value - other.value, self.slope - other.slope)

    def __mul__(self, other):
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __truediv__(self, other):
        slope = (self.slope * other.value - self.value * other.slope) / other.value**2
        return Dual(self.value / other.value, slope)

    def __pow__(self, other):
        return Dual(self.value**other.value, other.value * self.value ** (other.value - 1) * self.slope)


def evaluated(node, variable, x):
    """Reads arithmetic and nothing else: what a model wrote is not run."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return Dual(float(number))
        case ast.Name(id=name) if name == variable:
            return Dual(float(x), 1.0)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Dual(0.0) - evaluated(operand, variable, x)
        case ast.BinOp(left=left, op=op, right=right):
            left, right = evaluated(left, variable, x), evaluated(right, variable, x)
            match op:
                case ast.Add():
                    return left + right
                case ast.Sub():
                    return left - right
                case ast.Mult():
                    return left * right
                case ast.Div():
                    return left / right
                case ast.Pow() if right.slope == 0:
                    return left**right
    raise undefined(f"only + - * / ** of numbers and {variable} are known")


@tool(read_only=True)
def estimate_derivative(function: str, x: float) -> float:
    """The derivative of a function at a point.

    Args:
        function: Such as `lambda x: 3*x**2 + 2*x - 1`.
        x: Where.
    """
    try:
        lambda_ = ast.parse(function, mode="eval").body
    except SyntaxError as error:
        raise undefined("the function is no Python") from error
    if not isinstance(lambda_, ast.Lambda) or len(lambda_.args.args) != 1:
        raise undefined("the function is no lambda of one variable")
    return evaluated(lambda_.body, lambda_.args.args[0].arg, x).slope


@tool(read_only=True)
def geometry_area_circle(radius: float) -> float:
    """The area of a circle."""
    return math.pi * radius * radius


@tool(read_only=True)
def get_distance(pointA: Point, pointB: Point) -> float:
    """The distance between two points."""
    return math.hypot(*(a - b for a, b in zip(pointA, pointB, strict=True)))


@tool(read_only=True)
async def get_fibonacci_number(n: int) -> int:
    """The Fibonacci number at a position, from 1."""
    a, b = 0, 1
    for _ in range(n - 1):
        a, b = b, a + b
    return a


@tool(read_only=True)
async def get_fibonacci_sequence(n: int) -> list[int]:
    """The first n Fibonacci numbers."""
    sequence = collections.deque()
    a, b = 0, 1
    for _ in range(n):
        sequence.append(a)
        a, b = b, a + b
    return list(sequence)


@tool(read_only=True)
def get_prime_factors(number: int) -> list[int]:
    """The prime factors of a number, each as often as it divides it."""
    factors, divisor = [], 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return [*factors, *([number] if number > 1 else [])]


@tool(read_only=True)
def linear_regression(x: Vector, y: Vector, point: float) -> float:
    """What the line of least squares through points says at another."""
    middle_x, middle_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    run = math.fsum((a - middle_x) ** 2 for a in x)
    rise = math.fsum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return middle_y + rise / run * (point - middle_x)


@tool(read_only=True)
def mat_mul(matA: Matrix, matB: Matrix) -> Matrix:
    """The product of two matrices."""
    if any(len(row) != len(matB) for row in matA):
        raise undefined(f"rows of {len(matA[0])} numbers and {len(matB)} rows do not fit each other")
    columns = range(len(matB[0]))
    return [[sum(row[k] * matB[k][column] for k in range(len(matB))) for column in columns] for row in matA]


@tool(read_only=True)
def math_factorial(n: int) -> int:
    """The factorial of a number."""
    return math.prod(range(2, n + 1))


@tool(read_only=True)
def math_gcd(a: int, b: int) -> int:
    """The greatest common divisor."""
    while b:
        a, b = b, a % b
    return a


@tool(read_only=True)
def math_lcm(a: int, b: int) -> int:
    """The least common multiple."""
    multiple = a
    while multiple % b:
        multiple += a
    return multiple


@tool(read_only=True)
def maxPoints(points: list[list[int]]) -> int:
    """How many of the points lie on one line at most."""
    most = min(len(points), 2)
    for x, y in points:
        directions = collections.Counter(
            direction(other_x - x, other_y - y) for other_x, other_y in points if (other_x, other_y) != (x, y)
        )
        most = max(most, 1 + max(directions.values(), default=0))
    return most


def direction(x, y):
    """A direction in lowest terms; it and its opposite are one."""
    common = math.gcd(x, y) if (x, y) > (0, 0) else -math.gcd(x, y)
    return x // common, y // common


@tool(read_only=True)
def mortgage_calculator(loan_amount: float, interest_rate: float, loan_period: int) -> float:
    """What is paid each month for a loan of so many years."""
    monthly, payments = interest_rate / 12, loan_period * 12
    return loan_amount * monthly * (1 + monthly) ** payments / ((1 + monthly) ** payments - 1)


@tool(read_only=True)
def order_food(item: list[str], quantity: list[int], price: Vector) -> float:
    """Orders food; answers the price of all."""
    if not len(item) == len(quantity) == len(price):
        raise undefined("an item needs a quantity and a price")
    return sum(number * each for number, each in zip(quantity, price, strict=True))


@tool(read_only=True)
def polygon_area(vertices: list[Point]) -> float:
    """The area of a polygon, by triangles from its first vertex."""
    (x, y), *others = vertices
    pairs = zip(others, others[1:], strict=False)
    return abs(sum((ax - x) * (by - y) - (bx - x) * (ay - y) for (ax, ay), (bx, by) in pairs)) / 2


@tool(read_only=True)
def quadratic_roots(a: float, b: float, c: float) -> list[float] | list[dict[str, float]]:
    """The roots of ax² + bx + c: two numbers, or two of `real` and `imaginary`."""
    square = b * b - 4 * a * c
    if square < 0:
        middle, away = -b / (2 * a), math.sqrt(-square) / (2 * a)
        return [{"real": middle, "imaginary": away}, {"real": middle, "imaginary": -away}]
    return [(-b + math.sqrt(square)) / (2 * a), (-b - math.sqrt(square)) / (2 * a)]


@tool(read_only=True)
def sort_array(array: Vector, reverse: bool = False) -> Vector:
    """Sorts numbers."""
    ordered = []
    for number in array:
        at = next((i for i, other in enumerate(ordered) if (other < number if reverse else other > number)), None)
        ordered.insert(len(ordered) if at is None else at, number)
    return ordered


TOOLS = [thing for thing in list(globals().values()) if isinstance(thing, toolwave.HostedTool)]

if __name__ == "__main__":
    toolwave.serve(*TOOLS, coordinator=os.environ["TOOLWAVE_COORDINATOR"], name="functions", slots=4)
