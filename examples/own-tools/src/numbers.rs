//! Integers: divisors, factors, factorials, Fibonacci numbers, binary sums, order.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Number;
use toolwave_worker::{SharedTool, ToolError};

use crate::{Natural, pure, undefined};

/// Two integers.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The first number.
    pub a: i64,
    /// The second number.
    pub b: i64,
}

/// How many, or which.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// The number, at most 1000.
    #[schemars(range(max = 1000))]
    pub n: u32,
}

/// The number to take apart.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Factored {
    /// At least 1, at most 10^12.
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub number: u64,
}

/// Some of a set.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The number of elements in the set, at most 1000.
    #[schemars(range(max = 1000))]
    pub n: u32,
    /// The number of elements to choose.
    pub k: u32,
}

/// Two numbers in base two.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BinaryPair {
    /// The first binary number.
    #[schemars(length(max = 4096), regex(pattern = "^[01]+$"))]
    pub a: String,
    /// The second binary number.
    #[schemars(length(max = 4096), regex(pattern = "^[01]+$"))]
    pub b: String,
}

/// What to put in order.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unsorted {
    /// The numbers.
    pub array: Vec<Number>,
    /// Whether the largest comes first.
    #[serde(default)]
    pub reverse: bool,
}

pub(crate) fn tools() -> Vec<SharedTool> {
    vec![
        pure(
            "math_gcd",
            "Calculates the greatest common divisor of two numbers.",
            |p: Pair| Ok(gcd(p.a.unsigned_abs(), p.b.unsigned_abs())),
        ),
        pure(
            "math_lcm",
            "Calculates the least common multiple of two numbers.",
            lcm,
        ),
        pure(
            "math_factorial",
            "Calculates the factorial of a number.",
            |p: Count| Ok(factorial(p.n)),
        ),
        pure(
            "calculate_permutations",
            "Calculates in how many orders k of n elements can be chosen.",
            permutations,
        ),
        pure(
            "get_prime_factors",
            "Calculates the prime factors of a number.",
            |p: Factored| Ok(prime_factors(p.number)),
        ),
        pure(
            "get_fibonacci_sequence",
            "Calculates the first n Fibonacci numbers, from 0.",
            |p: Count| Ok(fibonacci(p.n).collect::<Vec<_>>()),
        ),
        pure(
            "get_fibonacci_number",
            "Calculates the nth Fibonacci number; the first is 0.",
            |p: Count| {
                fibonacci(p.n)
                    .last()
                    .ok_or_else(|| undefined("positions begin at 1"))
            },
        ),
        pure("add_binary_numbers", "Adds two binary numbers.", add_binary),
        pure("sort_array", "Sorts an array of numbers.", |p: Unsorted| {
            Ok(sorted(p))
        }),
    ]
}

/// Largest number that divides both.
#[must_use]
pub fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn lcm(p: Pair) -> Result<u64, ToolError> {
    let (a, b) = (p.a.unsigned_abs(), p.b.unsigned_abs());
    if a == 0 || b == 0 {
        return Ok(0);
    }
    (a / gcd(a, b))
        .checked_mul(b)
        .ok_or_else(|| undefined("the result is larger than 64 bits"))
}

fn factorial(n: u32) -> Natural {
    (2..=n).fold(Natural::from(1), Natural::times)
}

fn permutations(p: Choice) -> Result<Natural, ToolError> {
    let first =
        p.n.checked_sub(p.k)
            .ok_or_else(|| undefined("k is larger than n"))?
            + 1;
    Ok((first..=p.n).fold(Natural::from(1), Natural::times))
}

fn prime_factors(mut number: u64) -> Vec<u64> {
    let mut factors = Vec::new();
    let mut divisor = 2;
    while divisor * divisor <= number {
        while number.is_multiple_of(divisor) {
            factors.push(divisor);
            number /= divisor;
        }
        divisor += 1;
    }
    if number > 1 {
        factors.push(number);
    }
    factors
}

fn fibonacci(n: u32) -> impl Iterator<Item = Natural> {
    let start = (Natural::from(0), Natural::from(1));
    let pairs = std::iter::successors(Some(start), |(a, b)| Some((b.clone(), a.clone().plus(b))));
    pairs.map(|(a, _)| a).take(n as usize)
}

fn add_binary(p: BinaryPair) -> Result<String, ToolError> {
    let (mut a, mut b) = (p.a.bytes().rev(), p.b.bytes().rev());
    let (mut sum, mut carry) = (Vec::new(), 0);
    loop {
        let digits = (a.next(), b.next());
        if digits == (None, None) && carry == 0 {
            break;
        }
        for digit in [digits.0, digits.1].into_iter().flatten() {
            match digit {
                b'0' | b'1' => carry += digit - b'0',
                _ => return Err(undefined("a binary number has the digits 0 and 1 only")),
            }
        }
        sum.push(if carry % 2 == 1 { '1' } else { '0' });
        carry /= 2;
    }
    while sum.len() > 1 && sum.last() == Some(&'0') {
        sum.pop();
    }
    Ok(sum.into_iter().rev().collect())
}

fn sorted(p: Unsorted) -> Vec<Number> {
    let mut array = p.array;
    array.sort_by(|a, b| if p.reverse { order(b, a) } else { order(a, b) });
    array
}

/// Integers by their exact value, others as floats.
fn order(a: &Number, b: &Number) -> Ordering {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => f64::total_cmp(&a.as_f64().unwrap_or(f64::NAN), &b.as_f64().unwrap_or(f64::NAN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divisors_and_multiples_take_zero_and_negatives() {
        assert_eq!([gcd(45, 60), gcd(0, 7), gcd(7, 0), gcd(0, 0)], [15, 7, 7, 0]);
        assert_eq!(lcm(Pair { a: -4, b: 6 }), Ok(12));
        assert_eq!(lcm(Pair { a: 0, b: 6 }), Ok(0));
        assert!(
            lcm(Pair {
                a: i64::MAX,
                b: i64::MAX - 1
            })
            .is_err()
        );
    }

    #[test]
    fn factorials_keep_every_digit() {
        assert_eq!(factorial(0), Natural::from(1));
        assert_eq!(factorial(20), Natural::from(2_432_902_008_176_640_000));
        let large = factorial(1000).to_string();
        assert_eq!((large.len(), large.trim_end_matches('0').len()), (2568, 2319));
    }

    #[test]
    fn permutations_of_more_than_there_are_have_no_answer() {
        assert_eq!(permutations(Choice { n: 20, k: 5 }), Ok(Natural::from(1_860_480)));
        assert_eq!(permutations(Choice { n: 3, k: 0 }), Ok(Natural::from(1)));
        assert!(permutations(Choice { n: 3, k: 4 }).is_err());
    }

    #[test]
    fn prime_factors_multiply_to_the_number() {
        assert_eq!(prime_factors(456), [2, 2, 2, 3, 19]);
        assert_eq!(prime_factors(1), [] as [u64; 0]);
        assert_eq!(prime_factors(999_999_999_989), [999_999_999_989]);
    }

    #[test]
    fn fibonacci_numbers_begin_with_zero_and_outgrow_64_bits() {
        let first: Vec<_> = fibonacci(8).collect();
        assert_eq!(first, [0, 1, 1, 2, 3, 5, 8, 13].map(Natural::from));
        assert_eq!(
            fibonacci(101).last().map(|n| n.to_string()).as_deref(),
            Some("354224848179261915075")
        );
        assert_eq!(fibonacci(0).count(), 0);
    }

    #[test]
    fn binary_sums_lose_leading_zeros_and_refuse_other_digits() {
        let add = |a: &str, b: &str| {
            add_binary(BinaryPair {
                a: a.into(),
                b: b.into(),
            })
        };
        assert_eq!(add("0011", "1100").as_deref(), Ok("1111"));
        assert_eq!(add("1", "111").as_deref(), Ok("1000"));
        assert_eq!(add("000", "0").as_deref(), Ok("0"));
        assert!(add("12", "1").is_err());
    }

    #[test]
    fn sorting_keeps_the_numbers_as_they_were_written() {
        let sort = |text: &str| serde_json::to_string(&sorted(serde_json::from_str(text).unwrap())).unwrap();
        assert_eq!(sort(r#"{"array":[5,2.5,9,1]}"#), "[1,2.5,5,9]");
        assert_eq!(
            sort(r#"{"array":[9007199254740993,9007199254740992,-1],"reverse":true}"#),
            "[9007199254740993,9007199254740992,-1]"
        );
    }
}
