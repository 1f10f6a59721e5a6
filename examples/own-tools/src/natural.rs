//! Natural numbers of any size: as much of them as factorials and Fibonacci numbers need.
//!
//! As JSON a number is an integer up to 2^53, which every JSON reader keeps, and a decimal string beyond.

use std::fmt;

use serde::{Serialize, Serializer};

/// Digits a limb.
const WIDTH: usize = 9;
const BASE: u64 = 1_000_000_000;
/// The largest integer up to which a double holds every integer.
const SAFE: u64 = 1 << 53;

/// A natural number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Natural {
    /// Base 10^9, least significant first, no zeros at the end; zero has none.
    limbs: Vec<u32>,
}

impl Natural {
    /// This times `factor`.
    #[must_use]
    pub fn times(mut self, factor: u32) -> Self {
        let mut carry = 0;
        for limb in &mut self.limbs {
            let product = u64::from(*limb) * u64::from(factor) + carry;
            *limb = low(product);
            carry = product / BASE;
        }
        self.carry(carry)
    }

    /// This plus `other`.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        let length = self.limbs.len().max(other.limbs.len());
        self.limbs.resize(length, 0);
        let mut carry = 0;
        for (index, limb) in self.limbs.iter_mut().enumerate() {
            let sum = u64::from(*limb) + u64::from(other.limbs.get(index).copied().unwrap_or(0)) + carry;
            *limb = low(sum);
            carry = sum / BASE;
        }
        self.carry(carry)
    }

    fn carry(mut self, mut carry: u64) -> Self {
        while carry > 0 {
            self.limbs.push(low(carry));
            carry /= BASE;
        }
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        self
    }

    /// The number, where every JSON reader keeps it.
    fn small(&self) -> Option<u64> {
        let [low, rest @ ..] = self.limbs.as_slice() else {
            return Some(0);
        };
        let high = match rest {
            [] => 0,
            [high] => u64::from(*high),
            _ => return None,
        };
        Some(high * BASE + u64::from(*low)).filter(|value| *value <= SAFE)
    }
}

impl From<u64> for Natural {
    fn from(value: u64) -> Self {
        Self { limbs: Vec::new() }.carry(value)
    }
}

impl fmt::Display for Natural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.limbs.split_last() else {
            return f.write_str("0");
        };
        write!(f, "{first}")?;
        rest.iter().rev().try_for_each(|limb| write!(f, "{limb:0WIDTH$}"))
    }
}

impl Serialize for Natural {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.small() {
            Some(value) => serializer.serialize_u64(value),
            None => serializer.collect_str(self),
        }
    }
}

fn low(value: u64) -> u32 {
    u32::try_from(value % BASE).expect("a remainder of 10^9 fits 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_sums_keep_every_digit() {
        let max = Natural::from(u64::MAX);
        assert_eq!(max.to_string(), "18446744073709551615");
        assert_eq!(
            max.clone().plus(&Natural::from(1)).to_string(),
            "18446744073709551616"
        );
        assert_eq!(max.times(u32::MAX).to_string(), "79228162495817593515539431425");
        assert_eq!(Natural::from(7).times(0), Natural::from(0));
        assert_eq!(Natural::from(1_000_000_000).times(5).to_string(), "5000000000");
    }

    #[test]
    fn json_is_an_integer_up_to_two_to_the_53_and_a_string_beyond() {
        let json = |value: u64| serde_json::to_string(&Natural::from(value)).unwrap();
        assert_eq!(json(0), "0");
        assert_eq!(json(SAFE), "9007199254740992");
        assert_eq!(json(SAFE + 1), "\"9007199254740993\"");
    }
}
